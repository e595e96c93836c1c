package metadata

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"go.yaml.in/yaml/v3"
)

// limits reads the limits of a run's processes.
func (d *document) limits(f field) Limits {
	var l Limits
	known := []string{"memory", "processes", "cpu", "time", "bytes", "inodes"}
	for _, e := range d.mapping(f) {
		if d.isEmpty(e) {
			continue
		}
		switch e.name {
		case "memory":
			l.Memory = d.sizeLimit(e)
		case "bytes":
			l.Bytes = d.sizeLimit(e)
		case "processes":
			l.Processes = int(d.countLimit(e, math.MaxInt32))
		case "inodes":
			l.Inodes = d.countLimit(e, math.MaxInt64)
		case "cpu":
			l.CPU = d.cpuLimit(e)
		case "time":
			l.Time = d.timeLimit(e)
		default:
			d.unknown(e, "limits", known)
		}
	}
	return l
}

// sizeLimit reads a size. It needs a unit: of memory and of what one tool writes,
// few people would take 512 for gigabytes.
func (d *document) sizeLimit(f field) int64 {
	const fix = "use a size with its unit, such as 512MB or 2GiB"
	n := follow(f.val)
	if n.Kind != yaml.ScalarNode {
		d.fail(f.val, fix, "limits.%s must be a size, not %s", f.name, kindOf(n))
		return 0
	}
	size, err := cordon.ParseSize(n.Value)
	if err != nil || strings.HasSuffix(n.Value, "%") || strings.Trim(strings.TrimSpace(n.Value), "0123456789.") == "" {
		d.fail(f.val, fix, "limits.%s is %q", f.name, n.Value)
		return 0
	}
	return size.Of(0)
}

func (d *document) countLimit(f field, most int64) int64 {
	v, ok := d.value(f.val, 1).(int64)
	if !ok || v < 1 || v > most {
		d.fail(f.val, "use a whole number from 1 on", "limits.%s is %s", f.name, follow(f.val).Value)
		return 0
	}
	return v
}

func (d *document) cpuLimit(f field) float64 {
	v, ok := asNumber(d.value(f.val, 1))
	if !ok || v <= 0 || v > 1<<20 {
		d.fail(f.val, "use a number of processors such as 2 or 0.5", "limits.cpu is %s", follow(f.val).Value)
		return 0
	}
	return v
}

func (d *document) timeLimit(f field) time.Duration {
	n := follow(f.val)
	t, err := cordon.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || t < time.Second || t > MaxTime {
		d.fail(f.val, "use a duration from 1s to 7d, such as 30m or 2h", "limits.time is %q", n.Value)
		return 0
	}
	return t
}

// network reads true, false or build, in YAML's own spellings of a boolean.
func (d *document) network(f field) Network {
	switch v := d.value(f.val, 1).(type) {
	case nil:
		return NetworkNever
	case bool:
		if v {
			return NetworkAlways
		}
		return NetworkNever
	case string:
		if v == string(NetworkBuild) {
			return NetworkBuild
		}
	}
	d.fail(f.val, "use false, true or build (the network only while a fuzzing workflow builds)", "network is %s", describe(f.val))
	return NetworkNever
}

// describe quotes a scalar, and names what is none.
func describe(n *yaml.Node) string {
	if v := follow(n); v.Kind == yaml.ScalarNode {
		return strconv.Quote(v.Value)
	}
	return kindOf(n)
}
