package placement_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cordonlabs/cordon/internal/placement"
)

func hosts(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("host-%d", i))
	}
	return out
}

func TestTargetsAreSpreadOverTheHosts(t *testing.T) {
	const n, targets = 20, 20_000
	first := map[string]int{}
	for i := range targets {
		first[placement.Rank(hosts(n), fmt.Sprint("target-", i), 1)[0]]++
	}
	for _, h := range hosts(n) {
		if got := first[h]; got < targets/n*8/10 || got > targets/n*12/10 {
			t.Errorf("%s is the first choice of %d targets, want about %d", h, got, targets/n)
		}
	}
}

func TestTheOrderInWhichHostsAreListedDoesNotCount(t *testing.T) {
	list := hosts(9)
	want := placement.Rank(list, "t", 3)
	slices.Reverse(list)
	if got := placement.Rank(list, "t", 3); !slices.Equal(got, want) || len(got) != 3 {
		t.Errorf("got %q and %q", want, got)
	}
	if got := placement.Rank(hosts(1), "t", 3); len(got) != 1 {
		t.Errorf("of one host: %q", got)
	}
}

func TestOnlyTargetsOfAHostThatGoesMove(t *testing.T) {
	all := hosts(10)
	const gone = "host-3"
	rest := slices.DeleteFunc(slices.Clone(all), func(h string) bool { return h == gone })
	for i := range 1000 {
		target := fmt.Sprint("target-", i)
		before := placement.Rank(all, target, 2)
		after := placement.Rank(rest, target, 1)[0]
		want := before[0]
		if want == gone {
			want = before[1] // who was its second choice has what it is tried on next
		}
		if after != want {
			t.Fatalf("%s moves from %q to %s", target, before, after)
		}
	}
}
