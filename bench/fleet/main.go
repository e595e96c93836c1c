package main

import (
	"flag"
	"fmt"
	"os"
	"text/tabwriter"
)

func main() {
	var w world
	flag.IntVar(&w.hosts, "hosts", 1000, "how many hosts there are")
	flag.IntVar(&w.targets, "targets", 10_000, "how many targets there are")
	flag.IntVar(&w.slots, "slots", 5, "how many runs a host takes at once")
	flag.IntVar(&w.cached, "cached", 50, "how many targets a host's cache has room for")
	flag.IntVar(&w.runs, "runs", 500_000, "how many runs are counted, after half as many that are not")
	flag.Uint64Var(&w.seed, "seed", 1, "chooses alike")
	flag.Parse()
	if flag.NArg() > 0 || w.hosts < 1 || w.targets < 1 || w.slots < 1 || w.cached < 1 || w.runs < 1 {
		flag.Usage()
		os.Exit(2)
	}
	fmt.Printf("%d hosts with %d slots and room for %d targets each, %d targets, %d runs\n\n", w.hosts, w.slots, w.cached, w.targets, w.runs)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "popularity\tbusy\trandom\twarm\tall-knowing\tfetches saved\tof what can be\tat the 1st\tat the 2nd\tanywhere\t")
	for _, s := range []float64{0.8, 1.0, 1.2} {
		for _, load := range []float64{0.3, 0.6, 0.9} {
			random, warm, best := w.run(s, load, anyHost), w.run(s, load, ranked), w.run(s, load, whoHasIt)
			fmt.Fprintf(t, "Zipf %.1f\t%.0f %%\t%.3f\t%.3f\t%.3f\t%.0f %%\t%.0f %%\t%.0f %%\t%.0f %%\t%.0f %%\t\n", s, 100*load, random.hits(), warm.hits(), best.hits(),
				100*(1-(1-warm.hits())/(1-random.hits())), 100*(warm.hits()-random.hits())/(best.hits()-random.hits()),
				100*warm.share(0), 100*warm.share(1), 100*warm.share(2))
		}
	}
	t.Flush()
}
