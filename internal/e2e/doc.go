// Package e2e tests the built program as people and scripts use it: command
// lines, exit codes, standard output, real servers beside it. It has tests alone.
package e2e
