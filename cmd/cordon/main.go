// Command cordon runs security workflows on isolated workspaces of stored
// targets: the development server, workers, and the cache.
package main

import (
	"os"

	"github.com/cordonlabs/cordon/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) }
