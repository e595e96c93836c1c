// Package container tries the built program in containers, as operators run it:
// with and without CAP_SYS_ADMIN, in user namespaces, on volumes of several file
// systems, two containers on one volume. What docs/containers.md says is what is
// seen here. It has tests alone.
//
// They need root, debootstrap and an OCI runtime (runc or crun), and skip, saying
// why, where one is missing. The root of the containers is made once and kept in
// the user's cache folder.
package container
