package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
)

// manCommand writes the manual. It is for those who package the program, and so not
// among the commands that help lists.
func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write the manual pages into a folder", Args: exactly("DIR"), Hidden: true,
		Long: `Man writes a page for each command, cordon.1, cordon-run.1 and so on, into DIR. Their date is
SOURCE_DATE_EPOCH, or else that of the commit that the program was built from: the same program writes the
same pages.`,
		Example: "  cordon man /usr/local/share/man/man1",
		RunE: does(func(cmd *cobra.Command, args []string) error {
			date, err := a.manDate()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			n := 0
			for _, c := range documented(cmd.Root()) {
				n++
				page := manPage(c, date, "cordon "+a.version.Version)
				if err := os.WriteFile(filepath.Join(args[0], manName(c)+".1"), []byte(page), 0o644); err != nil {
					return err
				}
			}
			a.say("%s in %s", count(n, "page", "pages"), plain(args[0]))
			return nil
		}),
	}
}

// manDate is the day that the pages are of, or the zero time where nobody knows.
func (a *app) manDate() (time.Time, error) {
	epoch := a.getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		return a.version.committed, nil
	}
	s, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, &cordon.Error{Kind: cordon.InvalidArgument, Op: "date the pages", Name: "SOURCE_DATE_EPOCH",
			Err: fmt.Errorf("%q is not a number of seconds since 1970", epoch)}
	}
	return time.Unix(s, 0).UTC(), nil
}

// documented returns a command and all below it that people are told of.
func documented(cmd *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			out = append(out, documented(c)...)
		}
	}
	return out
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage renders the page of a command in the man macros.
func manPage(cmd *cobra.Command, date time.Time, version string) string {
	var m manual
	day := ""
	if !date.IsZero() {
		day = date.Format(time.DateOnly)
	}
	name := manName(cmd)
	m.line(`.TH "%s" "1" "%s" "%s" "Cordon"`, roff(strings.ToUpper(name)), day, roff(version))
	m.line(".SH NAME")
	m.line(`%s \- %s`, roff(name), roff(cmd.Short))
	m.line(".SH SYNOPSIS")
	use := cmd.UseLine()
	if cmd.HasAvailableSubCommands() && !cmd.HasAvailableLocalFlags() {
		use = cmd.CommandPath() + " COMMAND"
	}
	m.line(".B %s", roff(use))
	m.line(".SH DESCRIPTION")
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	m.prose(long)
	if cmd.HasAvailableSubCommands() {
		m.line(".SH COMMANDS")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() && c.Name() != "help" {
				m.item(roff(c.CommandPath()), c.Short)
			}
		}
	}
	m.options(cmd)
	if cmd.Example != "" {
		m.line(".SH EXAMPLES")
		m.line(".nf")
		m.line("%s", roff(strings.TrimRight(cmd.Example, "\n")))
		m.line(".fi")
	}
	m.line(".SH EXIT STATUS")
	m.prose("0 done; 1 failed, or rejected input; 2 misuse of flags, ids or variables; 3 not found; 4 a service cannot be reached; " +
		"5 busy, or held; 6 findings at or above --fail-on; 7 no space; 130 interrupted.")
	if cmd.Flags().Lookup("data") != nil || cmd.Flags().Lookup("cache-dir") != nil || !cmd.HasParent() {
		m.environment(!cmd.HasParent() || cmd.Name() == "worker")
	}
	m.seeAlso(cmd)
	return m.String()
}

// manual is a page in the making.
type manual struct{ strings.Builder }

func (m *manual) line(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }

// prose writes paragraphs: lines flow together, but for those that are indented.
func (m *manual) prose(text string) {
	verbatim := false
	for i, line := range strings.Split(text, "\n") {
		if indented := strings.HasPrefix(line, "  "); indented != verbatim {
			verbatim = indented
			m.line("%s", map[bool]string{true: ".nf", false: ".fi"}[indented])
		}
		switch {
		case line == "" && i > 0:
			m.line(".PP")
		case line != "":
			m.line("%s", roff(line))
		}
	}
	if verbatim {
		m.line(".fi")
	}
}

// item writes a term, which is marked up already, and what it means.
func (m *manual) item(term, meaning string) {
	m.line(".TP")
	m.line(".B %s", term)
	m.line("%s", roff(meaning))
}

func (m *manual) options(cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	began := false
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if !began {
			m.line(".SH OPTIONS")
			began = true
		}
		value, usage := pflag.UnquoteUsage(f)
		term := "--" + f.Name
		if f.Shorthand != "" {
			term = "-" + f.Shorthand + ", " + term
		}
		term = roff(term)
		if value != "" {
			term += ` \fI` + roff(value) + `\fR`
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && !strings.Contains(usage, "(default") {
			usage += " (default: " + f.DefValue + ")"
		}
		m.item(term, usage)
	})
}

// environment lists the settings: all of them, or where to find them.
func (m *manual) environment(all bool) {
	m.line(".SH ENVIRONMENT")
	if !all {
		m.prose("CACHE_DIR, CACHE_MAX_SIZE, S3_ENDPOINT, TEMPORAL_ADDRESS and the others that cordon(1) lists. Flags beat variables. " +
			"'cordon config show --origin' prints what holds.")
		return
	}
	m.prose("Flags beat variables. 'cordon config show --origin' prints what holds.")
	section := ""
	for _, s := range config.Settings(nil, nil) {
		if s.What == "" {
			continue
		}
		if s.Section != section {
			section = s.Section
			m.line(".SS %s", roff(section))
		}
		what := s.What
		if s.Value != "" && !strings.Contains(s.Value, "/") { // a path may be of whoever built this
			what += " (default: " + s.Value + ")"
		}
		m.item(roff(s.Name), what)
	}
}

func (m *manual) seeAlso(cmd *cobra.Command) {
	var pages []string
	if p := cmd.Parent(); p != nil {
		pages = append(pages, manName(p))
		for _, c := range p.Commands() {
			if c != cmd && c.IsAvailableCommand() && c.Name() != "help" && p.HasParent() {
				pages = append(pages, manName(c))
			}
		}
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			pages = append(pages, manName(c))
		}
	}
	if len(pages) == 0 {
		return
	}
	m.line(".SH SEE ALSO")
	for i, p := range pages {
		end := ","
		if i == len(pages)-1 {
			end = ""
		}
		m.line(".BR %s (1)%s", roff(p), end)
	}
}

// roff escapes text for the formatter: what is typed stays what is typed, so that it
// can be copied from a page, and a line's first character is no command.
func roff(text string) string {
	var b strings.Builder
	lineStart := true
	for _, r := range text {
		switch {
		case lineStart && (r == '.' || r == '\''):
			b.WriteString(`\&`)
			b.WriteString(map[rune]string{'.': ".", '\'': `\(aq`}[r])
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r == '\'':
			b.WriteString(`\(aq`)
		case r == '`':
			b.WriteString(`\(ga`)
		case r == '^':
			b.WriteString(`\(ha`)
		case r == '~':
			b.WriteString(`\(ti`)
		case r == '"':
			b.WriteString(`\(dq`)
		case r > 0x7e:
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
		lineStart = r == '\n'
	}
	return b.String()
}
