// Command sandbox measures what confinement costs: how long `true` takes bare, in
// empty namespaces (which no sandbox of this kind can be faster than), in a sandbox
// and under bubblewrap; and how fast commands run inside, against bare, that compute,
// call the kernel, start processes, and make files. Contestants take turns, so that
// whatever else the machine does hits all of them.
package main
