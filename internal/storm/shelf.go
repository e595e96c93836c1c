package storm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target/dir"
)

// contents is how many different contents a target takes in turns.
const contents = 3

// kind is a kind of target.
type kind struct {
	name   string
	weight int // how often it is asked for
	make   func(seed int) tree
	gzip   bool
}

// kinds are small: what is in the way of a kill is system calls, not bytes.
var kinds = []kind{
	{"small-a", 6, smallTree, true},
	{"small-b", 6, smallTree, false},
	{"many", 2, func(seed int) tree {
		t := tree{}
		for i := range 300 {
			d := fmt.Sprintf("d%02d", i%15)
			t[d] = folder()
			t[fmt.Sprintf("%s/f%03d", d, i)] = file(words(fmt.Sprint("many ", seed, i), 100+i*7))
		}
		return t
	}, true},
	{"large", 2, func(seed int) tree {
		return tree{"blob": file(words(fmt.Sprint("large ", seed), 3<<20)), "notes": file("beside it")}
	}, false},
	{"lone", 2, func(seed int) tree { return tree{"lone.txt": file(words(fmt.Sprint("lone ", seed), 9000))} }, true},
	{"file", 3, func(seed int) tree { return tree{"": file(words(fmt.Sprint("plain file ", seed), 300_000))} }, false},
}

func smallTree(seed int) tree {
	t := tree{
		"main.py": file(words(fmt.Sprint("main ", seed), 2000)), "pkg": folder(), "pkg/a": file("a"), "pkg/link": link("a"),
		"pkg/dangling": link("nowhere"), "empty": folder(), "data": folder(), "data/blob": file(words(fmt.Sprint("blob ", seed), 50_000)),
	}
	for i := range 6 {
		t[fmt.Sprintf("pkg/file-%d", i)] = file(words(fmt.Sprint("file ", seed, i), 700*i))
	}
	return t
}

// words returns n bytes that say what they are, over and over.
func words(what string, n int) string {
	what += "\n"
	return strings.Repeat(what, n/len(what)+1)[:n]
}

// shelf is the store's targets and what each version of them holds.
type shelf struct {
	root  string
	store *dir.Store
	all   []*stock
	sum   int // of weights
}

// stock is one target.
type stock struct {
	kind
	id     cordon.TargetID
	trees  [contents]tree
	packed [contents][]byte

	mu   sync.Mutex
	next int
	was  map[string]*version
	now  *version
}

// version is one object that a target was.
type version struct {
	etag        string
	tree        tree
	from, until time.Time // when a store may have answered with it; until is zero for the one that is there
}

// newShelf fills a store in root.
func newShelf(root string) (*shelf, error) {
	s := &shelf{root: root}
	var err error
	if s.store, err = dir.Open(root); err != nil {
		return nil, err
	}
	for _, k := range kinds {
		st := &stock{kind: k, was: map[string]*version{}}
		if st.id, err = cordon.ParseTargetID(k.name); err != nil {
			return nil, err
		}
		for i := range contents {
			st.trees[i] = k.make(i)
			st.packed[i] = st.trees[i].pack(k.gzip)
		}
		s.all, s.sum = append(s.all, st), s.sum+k.weight
		if err := s.put(st); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// put replaces the object of st by its next content, as somebody would by hand.
func (s *shelf) put(st *stock) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	path := filepath.Join(s.root, "targets", st.name, "target")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", st.packed[st.next], 0o644); err != nil {
		return err
	}
	v := &version{tree: st.trees[st.next], from: time.Now()}
	st.next = (st.next + 1) % contents
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	if st.now != nil {
		st.now.until = time.Now()
	}
	info, err := s.store.Stat(context.Background(), st.id)
	if err != nil {
		return err
	}
	v.etag, st.now = info.ETag, v
	if st.was[v.etag] != nil {
		return errors.New("two objects have the ETag " + v.etag)
	}
	st.was[v.etag] = v
	return nil
}

// find returns the version with an ETag, or why it cannot have been the answer to
// somebody who asked since then.
func (st *stock) find(etag string, since time.Time) (*version, string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	v := st.was[etag]
	switch {
	case v == nil:
		return nil, fmt.Sprintf("the store never had an object with the ETag %q", etag)
	case !v.until.IsZero() && v.until.Before(since):
		return nil, fmt.Sprintf("it is a version that was replaced %v before it was asked for", since.Sub(v.until))
	}
	return v, ""
}
