// Package lab is what the benches share: commands, a mount namespace and loop
// file systems of their own, the kernel's source tree, spreads of samples, and
// the profile of the machine that they are of.
package lab
