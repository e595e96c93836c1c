// Package fuzzforge is the tool activities that workflows written for FuzzForge call:
// under their names, with their positional arguments and results, on Cordon's own tools.
//
// Their findings have Cordon's form, and what a run fuzzes, its crashes and corpora, goes
// where run_fuzzer's goes. What is returned is small enough for a workflow to pass it
// on, two results at once: of more the worst findings alone are returned, the summary
// says how many are missing, and all of them are in the object store.
package fuzzforge

// The names under which the activities are registered. Workflows in other languages
// use them; they never change.
const (
	ScanFilesName             = "scan_files"
	AnalyzeSecurityName       = "analyze_security"
	GenerateSARIFReportName   = "generate_sarif_report"
	FuzzWithAtherisName       = "fuzz_with_atheris"
	FuzzWithCargoName         = "fuzz_with_cargo"
	ScanWithGitleaksName      = "scan_with_gitleaks"
	GitleaksGenerateSARIFName = "gitleaks_generate_sarif"
)
