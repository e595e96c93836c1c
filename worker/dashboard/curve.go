package dashboard

import (
	"fmt"
	"strings"
)

// draw returns the points of an SVG polyline: the first and the last point are the box's
// edges, 0 is its bottom. It is "" where there is no curve yet.
func draw(points []point, value func(point) float64) line {
	if len(points) < 2 {
		return ""
	}
	first, last, top := points[0].at, points[len(points)-1].at, 0.0
	for _, p := range points {
		top = max(top, value(p))
	}
	if top == 0 || !last.After(first) {
		return ""
	}
	var b strings.Builder
	for _, p := range points {
		x := lineWidth * float64(p.at.Sub(first)) / float64(last.Sub(first))
		y := 1 + (lineHeight-2)*(1-value(p)/top)
		fmt.Fprintf(&b, "%.1f,%.1f ", x, y)
	}
	return line(strings.TrimSpace(b.String()))
}
