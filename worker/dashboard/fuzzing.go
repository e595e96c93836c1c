package dashboard

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/fuzz"
)

// Fuzzing is the campaigns under way.
type Fuzzing struct {
	Campaigns []Campaign `json:"campaigns"`
	Problems  []string   `json:"problems,omitempty"`
}

// Campaign is a fuzzer at work, by its last heartbeat.
type Campaign struct {
	WorkflowID string         `json:"workflow_id"`
	RunID      string         `json:"run_id"`
	Workflow   string         `json:"workflow"`
	Worker     string         `json:"worker"`
	Began      time.Time      `json:"started"` // the activity's last attempt
	Live       fuzz.Live      `json:"live"`
	Done       []fuzz.Outcome `json:"done"` // harnesses that it is done with

	Speed    line `json:"-"` // executions per second, since somebody looks
	Coverage line `json:"-"`
}

// Share is how much of its time a campaign has had, in thousandths; 0 where it has no limit.
func (c Campaign) Share() float64 {
	if c.Live.Duration <= 0 {
		return 0
	}
	return min(scale*float64(c.Live.Elapsed)/float64(c.Live.Duration), scale)
}

// Elapsed and Duration are the campaign's.
func (c Campaign) Elapsed() time.Duration { return time.Duration(c.Live.Elapsed) }

// Duration is how long it may take; 0: no limit.
func (c Campaign) Duration() time.Duration { return time.Duration(c.Live.Duration) }

// campaigns is what the memo keeps.
type campaigns struct {
	list []Campaign
}

func (d *Dashboard) fuzzing(ctx context.Context) (any, error) {
	p := Fuzzing{Campaigns: []Campaign{}}
	if d.temporal() == nil {
		p.Problems = append(p.Problems, "Temporal is not reached: what fuzzers tell it is not known.")
		return p, nil
	}
	c, err := d.campaigns.get(ctx)
	if err != nil {
		p.Problems = append(p.Problems, problem("Temporal does not list its runs", err))
		return p, nil
	}
	p.Campaigns = append(p.Campaigns, c.list...)
	return p, nil
}

// loadCampaigns asks the open runs for what their fuzzers told last.
func (d *Dashboard) loadCampaigns(ctx context.Context) (campaigns, error) {
	open, err := d.open.get(ctx)
	if err != nil {
		return campaigns{}, err
	}
	c := d.temporal()
	found := make([]*Campaign, len(open))
	slots := make(chan struct{}, abreast)
	var working sync.WaitGroup
	for i, r := range open {
		working.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			about, err := c.DescribeWorkflowExecution(ctx, r.workflow, r.run)
			if err != nil {
				return // it has just ended, or the next look finds it
			}
			for _, p := range about.GetPendingActivities() {
				var beat activities.Progress
				if converter.GetDefaultDataConverter().FromPayloads(p.GetHeartbeatDetails(), &beat) != nil || beat.Fuzzing == nil {
					continue
				}
				found[i] = &Campaign{WorkflowID: r.workflow, RunID: r.run, Workflow: r.kind, Worker: p.GetLastWorkerIdentity(),
					Began: p.GetLastStartedTime().AsTime(), Live: beat.Fuzzing.Live, Done: append([]fuzz.Outcome{}, beat.Fuzzing.Done...)}
			}
		})
	}
	working.Wait()
	var list []Campaign
	for _, f := range found {
		if f != nil {
			list = append(list, *f)
		}
	}
	d.speeds.take(list, d.now())
	slices.SortFunc(list, func(a, b Campaign) int { return a.Began.Compare(b.Began) })
	return campaigns{list}, nil
}

// line is a curve of some minutes, in a box of lineWidth by lineHeight.
type line string

const (
	lineWidth, lineHeight = 240, 40
	lineTime              = 10 * time.Minute
	linePoints            = 300
)

// point is what a campaign told at a time.
type point struct {
	at              time.Time
	speed, coverage float64
}

// speeds remembers what campaigns told while somebody looked. The zero value is ready.
type speeds struct {
	mu  sync.Mutex
	all map[string][]point // by run and harness
}

// take notes how far campaigns are, draws their curves, and forgets those that are over.
func (s *speeds) take(list []Campaign, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.all
	s.all = make(map[string][]point, len(list))
	for i := range list {
		c := &list[i]
		key := c.RunID + "\x00" + c.Live.Harness
		points := append(before[key], point{now, c.Live.PerSecond, float64(c.Live.Coverage)})
		points = slices.DeleteFunc(points, func(p point) bool { return now.Sub(p.at) > lineTime })
		points = points[max(len(points)-linePoints, 0):]
		s.all[key] = points
		c.Speed = draw(points, func(p point) float64 { return p.speed })
		c.Coverage = draw(points, func(p point) float64 { return p.coverage })
	}
}
