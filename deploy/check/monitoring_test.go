package check

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// expression fails the test where Prometheus would not take one.
func expression(t *testing.T, who, expr string) {
	t.Helper()
	if expr == "" {
		t.Errorf("%s: no expression", who)
		return
	}
	if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil {
		t.Errorf("%s: %v in %s", who, err, expr)
	}
}

func TestPrometheusTakesTheAlerts(t *testing.T) {
	b, err := os.ReadFile("../monitoring/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string `json:"name"`
			Rules []struct {
				Alert       string            `json:"alert"`
				Expr        string            `json:"expr"`
				For         string            `json:"for"`
				Labels      map[string]string `json:"labels"`
				Annotations map[string]string `json:"annotations"`
			} `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.UnmarshalStrict(b, &file); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			expression(t, r.Alert, r.Expr)
			if r.For != "" {
				if d, err := model.ParseDuration(r.For); err != nil || time.Duration(d) > time.Hour {
					t.Errorf("%s: for %s: %v", r.Alert, r.For, err)
				}
			}
			if s := r.Labels["severity"]; s != "warning" && s != "critical" {
				t.Errorf("%s: severity %q", r.Alert, s)
			}
			if r.Annotations["summary"] == "" || seen[r.Alert] {
				t.Errorf("%s: %v", r.Alert, r.Annotations)
			}
			if !strings.Contains(string(page), "`"+r.Alert+"`") {
				t.Errorf("docs/monitoring.md does not say what to do about %s", r.Alert)
			}
			seen[r.Alert] = true
		}
	}
	if len(seen) < 10 {
		t.Errorf("%d alerts", len(seen))
	}
}

func TestPrometheusTakesTheDashboardsExpressions(t *testing.T) {
	b, err := os.ReadFile("../monitoring/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		UID    string `json:"uid"`
		Panels []struct {
			ID      int    `json:"id"`
			Title   string `json:"title"`
			Type    string `json:"type"`
			GridPos struct{ X, Y, W, H int }
			Targets []struct {
				Expr       string `json:"expr"`
				Datasource struct{ UID string }
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(b, &board); err != nil {
		t.Fatal(err)
	}
	// What Grafana puts in the place of its variables.
	values := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*")
	ids, expressions := map[int]bool{}, 0
	for i, p := range board.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d (%q)", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, o := range board.Panels[:i] {
			a, b := p.GridPos, o.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%q lies on %q", p.Title, o.Title)
			}
		}
		for _, target := range p.Targets {
			expressions++
			expression(t, p.Title, values.Replace(target.Expr))
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("%q has a data source of its own: %q", p.Title, target.Datasource.UID)
			}
		}
	}
	if board.UID != "cordon" || expressions < 30 {
		t.Errorf("%s has %d expressions", board.UID, expressions)
	}
}
