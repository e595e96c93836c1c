package corpus

import "container/heap"

// largest is a set of files of which the largest can be taken out.
type largest struct {
	files sizes
	bytes int64
}

func (l *largest) add(size int64, name string) {
	heap.Push(&l.files, sized{size, name})
	l.bytes += size
}

// over reports whether the set, with size bytes more in one more file unless that is 0, is too large.
func (l *largest) over(o Options, size int64) bool {
	n := len(l.files)
	if size > 0 {
		n++
	}
	return n > o.MaxFiles || l.bytes+size > o.MaxBytes
}

// most returns the size of the largest file.
func (l *largest) most() int64 {
	if len(l.files) == 0 {
		return 0
	}
	return l.files[0].size
}

func (l *largest) pop() (size int64, name string) {
	f := heap.Pop(&l.files).(sized)
	l.bytes -= f.size
	return f.size, f.name
}

type sized struct {
	size int64
	name string
}

// sizes is a heap.Interface.
type sizes []sized

func (s sizes) Len() int           { return len(s) }
func (s sizes) Less(i, j int) bool { return s[i].size > s[j].size }
func (s sizes) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *sizes) Push(x any)        { *s = append(*s, x.(sized)) }
func (s *sizes) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}
