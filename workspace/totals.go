package workspace

// recordTotals is what the complete records add up to: all that a reservation has
// to know of them while there is room.
type recordTotals struct {
	sum       amount
	published map[string]int // by staging id: how many complete records name it
}

func newTotals(n int) recordTotals { return recordTotals{published: make(map[string]int, n)} }

func (t *recordTotals) add(r *record) {
	if r.State == complete {
		t.sum = t.sum.plus(r.size())
		t.published[r.Staging]++
	}
}

func (t *recordTotals) remove(r *record) {
	if r.State != complete {
		return
	}
	t.sum = t.sum.minus(r.size())
	if t.published[r.Staging]--; t.published[r.Staging] == 0 {
		delete(t.published, r.Staging)
	}
}

// totals returns what the records add up to now, and which of the staging ids their
// complete ones name.
func (c *Cache) totals(ids []string) (sum amount, published map[string]bool, err error) {
	known := &c.recordCache
	known.mu.Lock()
	defer known.mu.Unlock()
	if err := c.refreshRecords(false); err != nil {
		return amount{}, nil, err
	}
	published = map[string]bool{}
	for _, id := range ids {
		published[id] = known.totals.published[id] > 0
	}
	return known.totals.sum, published, nil
}
