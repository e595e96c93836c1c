package activities

// ToolRequest is the argument of inventory_files, scan_code and scan_go.
type ToolRequest struct {
	Path string `json:"path"` // a workspace that get_target returned
}

// ScanSecretsRequest is the argument of scan_secrets.
type ScanSecretsRequest struct {
	Path     string `json:"path"`                // a workspace that get_target returned
	ScanMode string `json:"scan_mode,omitempty"` // "" or "detect"
	Redact   bool   `json:"redact"`              // accepted and without effect: secrets are always redacted
	NoGit    bool   `json:"no_git"`              // leave the git history out
}
