// Package mounts looks at the mounts of this process's mount namespace, makes
// them and takes them away.
//
// What is done to one mount is done relative to the descriptor of a directory,
// so that nobody who renames or links anything on the way to it can lead it
// somewhere else. The newest system call needed is mount_setattr(2), of Linux
// 5.12. /proc has to be mounted.
//
// Nothing here unmounts lazily: a mount that was detached lazily lives on, unseen,
// for as long as somebody uses it, and what is deleted meanwhile is deleted below
// it. And neither a successful unmount nor ErrBusy says whether something is used:
// a process of another mount namespace has mounts of its own, which no unmount
// here waits for.
//
// All functions are safe for concurrent use.
package mounts

import "errors"

// ErrBusy is in the chain of the error when a mount is in use: a process of this
// mount namespace has a file open in it or works in it, or something is mounted
// below it.
var ErrBusy = errors.New("the mount is in use")
