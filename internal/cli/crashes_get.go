package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/durable"
)

func (a *app) crashesGet() *cobra.Command {
	var p places
	var lineage, out string
	cmd := &cobra.Command{
		Use: "get ID", Short: "Write an input that crashes to a file", Args: exactly("ID"),
		Long: `Get writes the bytes of an input. They are hostile: nothing but the fuzzed program should read
them. To a terminal they go only where -o - asks for it.`,
		Example: "  cordon crashes get 3f2a -o crash.bin\n  cordon crashes get 3f2a | xxd | head",
		RunE: does(func(cmd *cobra.Command, args []string) error {
			if out == "" && a.outTTY {
				return &cordon.Error{Kind: cordon.InvalidArgument, Op: "write the input", Err: errors.New("its bytes may do anything to a terminal"), Fix: "name a file with -o FILE, or insist with -o -"}
			}
			_, _, crashes, err := a.openCrashes(p)
			if err != nil {
				return err
			}
			_, in, err := crashes.Get(cmd.Context(), args[0], lineage)
			if err != nil {
				return err
			}
			data, err := crashes.Read(cmd.Context(), in)
			if err != nil {
				return err
			}
			if out == "" || out == "-" {
				_, err := a.screen.out.Write(data)
				return err
			}
			if err := writeInput(out, data); err != nil {
				return err
			}
			a.say("%s of the input %.16s are in %s", bytesOf(in.Size), in.SHA256, plain(out))
			return nil
		}),
	}
	cmd.Flags().StringVar(&lineage, "lineage", "", "the bug is of this `PROJECT`")
	cmd.Flags().StringVarP(&out, "output", "o", "", "write to `FILE`; - is standard output")
	p.addStore(cmd.Flags())
	p.addData(cmd.Flags())
	return cmd
}

// writeInput writes data to the file of that name: whole, or not at all.
func writeInput(name string, data []byte) error {
	folder, err := os.OpenRoot(filepath.Dir(name))
	if err == nil {
		defer folder.Close()
		err = durable.WriteFile(folder, filepath.Base(name), data)
	}
	if err != nil {
		return &cordon.Error{Op: "write the input to", Name: fmt.Sprintf("%q", name), Err: err, Fix: "name a file in a folder that can be written"}
	}
	return nil
}
