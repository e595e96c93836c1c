package storm

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// allocation returns a file's inode and the bytes that it takes on disk.
func allocation(info fs.FileInfo) (ino uint64, bytes int64) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, info.Size()
	}
	return st.Ino, st.Blocks * 512 // st_blocks counts units of 512 bytes, stat(2)
}

// stopped reports whether the process is stopped by a signal, or has ended.
func stopped(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true
	}
	// The name in parentheses may hold anything; the state follows the last one.
	s := string(b)
	s = strings.TrimSpace(s[strings.LastIndexByte(s, ')')+1:])
	return strings.ContainsRune("TtZX", rune(s[0]))
}
