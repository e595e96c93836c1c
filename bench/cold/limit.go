package main

// limits are parts of the way, each alone: whoever takes all of it cannot take
// less than the longest.
func (s *stand) limits() []*contestant {
	if s.in.format == image {
		c := program("", []string{"cp"}, s.plain)
		c.name, c.argv, c.made = writeAlone, append(c.argv, fetched), fetched
		return []*contestant{c}
	}
	object := s.objectPath()
	all := []*contestant{{name: decodeAlone, reads: true, job: func(string) job { return job{Do: doInspect, Object: object} }}}
	if argv, there := decoders[s.in.format]; there {
		c := program("", argv, object)
		c.name = map[string]string{"tar.gz": "gzip -dc", "tar.zst": "zstd -dc", "tar.xz": "xz -dc"}[s.in.format]
		all = append(all, reading(c))
	}
	return append(all, &contestant{name: writeAlone, job: func(dir string) job {
		return job{Do: doExtract, Object: s.plain, Tree: dir}
	}})
}
