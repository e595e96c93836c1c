package mutants_test

// The tests that mutants name, with patterns as narrow as they go.
var (
	room       = by{pkg: "workspace", run: "^TestLimit$"}
	sweeping   = by{pkg: "workspace", run: "^TestSweep$"}
	cleaning   = by{pkg: "workspace", run: "^TestCleanup$"}
	orphans    = by{pkg: "workspace", run: "^TestOrphans$"}
	ownFiles   = test("workspace", "^TestASweepClearsTheCachesOwnFiles$")
	remembered = test("workspace", "^TestASweepSeesHoldsThatOthersChangedSinceTheLastOne$")
	failed     = by{pkg: "workspace", run: "^TestKeepOnFailure$"}
	floor      = by{pkg: "workspace", run: "^TestMinFree$"}
	modelled   = by{pkg: "internal/model", run: "^TestModel$", flags: []string{"-rapid.shrinktime=1s"}}
	viewed     = by{pkg: "internal/model", run: "^TestModelOfViews$", flags: []string{"-rapid.checks=10", "-rapid.shrinktime=1s"}}
	ordered    = by{pkg: "internal/model", run: "^TestHistories$", flags: []string{"-histories=20"}}
)

func test(pkg, run string) by { return by{pkg: pkg, run: run} }

// killed kills one operation at every call.
func killed(operation string) by {
	return by{pkg: "internal/faults", run: "^TestKilledAtEachCall$/^" + operation + "$", flags: []string{"-faults-most=100"}}
}

// mutants are faults that a cache like this one has had, or might have.
var mutants = []mutant{
	// What is held stays.
	{
		name: "evict what is held",
		file: "workspace/holdfile.go", caught: room,
		old: "if c.counts(h) {\n\t\t\treturn h, nil", new: "if false {\n\t\t\treturn h, nil",
	},
	{
		name: "no look for a hold under the entry's lock",
		file: "workspace/evict.go", caught: test("workspace", "^TestEvictionLooksAgain$"),
		old: "if needed, err := c.needed(now.Key); needed || err != nil {", new: "if needed, err := c.needed(now.Key); needed && false || err != nil {",
	},
	{
		name: "no look under the lock whether it is still the same entry",
		file: "workspace/evict.go", caught: test("workspace", "^TestEvictionLooksAgain$"),
		old: "now.State == complete && now.Staging == r.Staging {", new: "now.State == complete {",
	},
	{
		name: "the sweep does not look again under the lock",
		file: "workspace/sweep_entries.go", caught: test("workspace", "^TestAskingWhileSwept$"),
		old: "why, err := s.doomed(now)\n\t\tif why == \"\" || err != nil {", new: "why, err := s.doomed(now)\n\t\tif err != nil {",
	},
	{
		name: "a hold is taken after the entry's lock is let go",
		file: "workspace/shared.go", caught: test("workspace", "^TestAskingIsHolding$"),
		old: "if err := c.holdOnly(ctx, k, req); err != nil {\n\t\treturn nil, err\n\t}\n\tc.syncSoon", new: "lock.Unlock()\n\tif err := c.holdOnly(ctx, k, req); err != nil {\n\t\treturn nil, err\n\t}\n\tc.syncSoon",
	},
	{
		name: "a hold that somebody renews is dropped",
		file: "workspace/hold.go", caught: test("workspace", "^TestAskingWhileNobodyKnows$"),
		old: "if err != nil || !doomed(h) || !sameFile(f, lstat(c.root(), name)) {", new: "if err != nil || h == nil || !sameFile(f, lstat(c.root(), name)) {",
	},
	{
		name: "a base is not held by its view",
		file: "workspace/view.go", caught: test("workspace", "^TestOverlay$"),
		old: "if err := c.holdFor(ctx, base.Key, s.id, runKey(req.Target, req.Run), req); err != nil {", new: "if err := error(nil); err != nil {",
	},
	{
		name: "a hold expires by when it was first taken",
		file: "workspace/holdfile.go", caught: modelled,
		old: "h.renewed = info.ModTime()", new: "_, h.renewed = info, h.Since",
	},
	{
		name: "anybody may end a hold",
		file: "workspace/cleanup.go", caught: cleaning,
		old: "return o.RunID != \"\" && o.RunID == w.RunID ||", new: "return o.RunID == w.RunID ||",
	},

	// What is over goes, and nothing else.
	{
		name: "no grace",
		file: "workspace/orphans.go", caught: orphans,
		old: "s.asked.Sub(f.Closed) < s.c.grace {", new: "s.asked.Sub(f.Closed) < 0 {",
	},
	{
		name: "who cannot be asked about is taken to be over",
		file: "workspace/orphans.go", caught: orphans,
		old: "f.State != RunClosed ||", new: "f.State == RunOpen ||",
	},
	{
		name: "a lease does not count",
		file: "workspace/orphans.go", caught: orphans,
		old: "if h.live || h.Entry != \"\" || h.Kept", new: "if h.Entry != \"\" || h.Kept",
	},
	{
		name: "the lock of a worker says that its runs are open",
		file: "workspace/lease.go", caught: orphans,
		old: "if !c.known(req.Owner) || c.bound {\n\t\treturn", new: "if true {\n\t\treturn",
	},
	{
		name: "a run that asked since counts as over",
		file: "workspace/orphans.go", caught: orphans,
		old: " || h.renewed.After(s.asked) {", new: " {",
	},
	{
		name: "eviction takes what an open run has not asked for long",
		file: "workspace/hold.go", caught: modelled,
		old: "return !c.expired(h) || h.Entry", new: "return !c.expired(h) || false && h.Entry",
	},
	{
		name: "a failed run's workspace is not kept",
		file: "workspace/orphans.go", caught: failed,
		old: "h.KeepOnFailure && f.Failed {", new: "false && h.KeepOnFailure && f.Failed {",
	},
	{
		name: "an open run does not renew its hold",
		file: "workspace/orphans.go", caught: test("workspace", "^TestAHoldIsRenewedWhenAPartOfItsLifeIsOver$"),
		old: "_ = setTime(top, strings.TrimPrefix(open[i], holdsDir+\"/\"), s.asked)", new: "_, _ = top, strings.TrimPrefix(open[i], holdsDir+\"/\")",
	},
	{
		name: "a sweep does not see that a hold was rewritten",
		file: "workspace/seen.go", caught: remembered,
		old: "h.stamp == (fileStamp{}) || stampAt", new: "false && stampAt",
	},
	{
		name: "a sweep does not see a new hold",
		file: "workspace/seen.go", caught: remembered,
		old: "now == (fileStamp{}) || s.stamp != now", new: "s.stamp == (fileStamp{})",
	},
	{
		name: "entries expire by age",
		file: "workspace/sweep_entries.go", caught: sweeping,
		old: "idle := c.now().Sub(r.lastUsed)", new: "idle := c.now().Sub(r.Created)",
	},
	{
		name: "a dry run removes",
		file: "workspace/sweep.go", caught: sweeping,
		old: "s.listed[r.identity()] = true\n", new: "s.listed[r.identity()] = true\n\t\t_, _ = do()\n",
	},
	{
		name: "what the dead were making stays",
		file: "workspace/leftover.go", caught: sweeping,
		old: "ok := c.trashStaging(id, size) == nil", new: "ok := size.bytes >= 0",
	},

	// Cleanup goes by the record.
	{
		name: "cleanup goes by the text of the path",
		file: "workspace/cleanup.go", caught: cleaning,
		old: "if r == nil {\n\t\tres :=", new: "if rel := path[min(len(path), len(c.dir)+1):]; r == nil && c.trash(rel) {\n\t\tres :=",
	},
	{
		name: "what somebody else put there is removed",
		file: "workspace/trash.go", caught: test("workspace", "^(TestOperatorsOwnFilesStay|TestCleanup)$"),
		old: "if err != nil || id != p.id {\n\t\t\tcontinue", new: "if err != nil || id == (fileID{}) {\n\t\t\tcontinue",
	},
	{
		name: "a cleanup that meets the making is forgotten",
		file: "workspace/tombstone.go", caught: cleaning,
		old: "case err == nil:\n\t\treturn errBuried", new: "case err == nil:\n\t\treturn nil",
	},
	{
		name: "only the one who makes it looks for a cleanup, and before it lets go",
		file: "workspace/run.go", caught: test("workspace", "^TestCleanupWhileMaking$"),
		old: "if stone := c.buried(k); stone != nil {", new: "if stone := c.buried(k); false {",
	},

	// The accounts.
	{
		name: "entries are counted instead of inodes",
		file: "workspace/record.go", caught: floor,
		old: "s := amount{r.total(), r.Inodes}", new: "s := amount{r.total(), 1}",
	},
	{
		name: "no inodes are reserved",
		file: "workspace/fetch.go", caught: floor,
		old: "return s.need(ctx, amount{bytes, inodes})", new: "return s.need(ctx, amount{bytes, 0})",
	},
	{
		name: "nothing stays free",
		file: "workspace/account.go", caught: floor,
		old: "a.short(a.floor.plus(a.pending)", new: "a.short(a.pending",
	},
	{
		name: "what the dead had reserved counts",
		file: "workspace/staging.go", caught: test("workspace", "^TestReservations$"),
		old: "alive := flockNow(f, unix.LOCK_SH) != nil", new: "alive := flockNow(f, unix.LOCK_SH) != nil || true",
	},
	{
		name: "what the living have reserved does not count",
		file: "workspace/staging.go", caught: test("workspace", "^TestReservations$"),
		old: "alive := flockNow(f, unix.LOCK_SH) != nil", new: "alive := flockNow(f, unix.LOCK_SH) != nil && false",
	},
	{
		name: "what is in the trash counts as used",
		file: "workspace/account.go", caught: test("workspace", "^TestReservations$"),
		old: "return a.recorded.bytes + a.reserved }", new: "return a.recorded.bytes + a.reserved + a.trash.bytes }",
	},
	{
		name: "work that was published is counted twice",
		file: "workspace/account.go", caught: test("workspace", "^TestReservations$"),
		old: "(s == nil || o.ID != s.id) && !published[o.ID]", new: "(s == nil || o.ID != s.id) && published != nil",
	},
	{
		name: "eviction in vain",
		file: "workspace/evict.go", caught: test("workspace", "^TestNothingIsEvictedInVain$"),
		old: "if err != nil || !ok {\n\t\treturn amount{}, err", new: "if err != nil || !ok && least.bytes < 0 {\n\t\treturn amount{}, err",
	},
	{
		name: "the most recently used goes first",
		file: "workspace/evict.go", caught: room,
		old: "return a.lastUsed.Compare(b.lastUsed) })\n\treturn slices", new: "return b.lastUsed.Compare(a.lastUsed) })\n\treturn slices",
	},
	{
		name: "a hit is no use",
		file: "workspace/again.go", caught: modelled,
		old: "c.touch(r)\n\tws := &Workspace{", new: "ws := &Workspace{",
	},
	{
		name: "more goes than is needed",
		file: "workspace/evict.go", caught: modelled,
		old: "if freed.bytes+r.total() > enough {", new: "if freed.bytes > 2*enough {",
	},
	{
		name: "objects are not evicted first",
		file: "workspace/evict.go", caught: room,
		old: "if r.spareObject() && c.idle(r, flock.Shared) {", new: "if false && r.spareObject() && c.idle(r, flock.Shared) {",
	},

	// One maker, whole entries.
	{
		name: "content is made under a shared lock",
		file: "workspace/content.go", caught: test("workspace", "^TestManyAtOnce$"),
		old: "lock, err := c.lockContent(ctx, req, info, flock.Exclusive, st)\n\tif err != nil {\n\t\treturn made{}, err\n\t}\n\tdefer lock.Unlock()\n\tif gone", new: "lock, err := c.lockContent(ctx, req, info, flock.Shared, st)\n\tif err != nil {\n\t\treturn made{}, err\n\t}\n\tdefer lock.Unlock()\n\tif gone",
	},
	{
		name: "the version is not compared",
		file: "workspace/shared.go", caught: test("workspace", "^TestObjectReplaced$"),
		old: "if r == nil || err != nil || r.version() != info.version {", new: "if r == nil || err != nil {",
	},
	{
		name: "a lock on a file that lost its name",
		file: "internal/flock/flock.go", caught: test("internal/flock", "^TestNameLostBeforeTheLock$"),
		old: "if same(dir, name, f) {", new: "if true || same(dir, name, f) {",
	},
	{
		name: "another boot's entries are taken for whole",
		file: "workspace/record.go", caught: test("workspace", "^TestDurability$"),
		old: "case r.Boot == c.boot:", new: "case r.Boot != \"\":",
	},
	{
		name: "published without a word before",
		file: "workspace/publish.go", caught: killed("isolated"),
		old: "if err := c.writeRecord(r); err != nil {\n\t\treturn err\n\t}\n\terr := c.place(s, r)", new: "err := c.place(s, r)",
	},
	{
		name: "the record goes before the files",
		file: "workspace/trash.go", caught: killed("clean_up_a_run"),
		old: "size := r.size()\n\tfor _, p := range r.parts() {", new: "size := r.size()\n\t_ = c.root().Remove(recordFile(r.Key))\n\tfor _, p := range r.parts() {",
	},
	{
		name: "records are written in place",
		file: "internal/durable/durable.go", caught: test("internal/durable", "^TestReplaceLeavesReadersTheirs$"),
		old: "tmp := path.Join(path.Dir(name), \".tmp-\"+rand.Text())\n\tf, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)", new: "tmp := name\n\t_ = rand.Text\n\tf, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)",
	},
	{
		name: "no sync of a file",
		file: "internal/durable/durable.go", caught: test("internal/durable", "^TestPowerFailure$"),
		old: "if err := write(root, name, data, (*os.File).Sync); err != nil {", new: "if err := write(root, name, data, func(*os.File) error { return nil }); err != nil {",
	},
	{
		name: "no sync of a directory",
		file: "internal/durable/durable.go", caught: test("internal/durable", "^TestPowerFailure$"),
		old: "return syncIgnoringInvalid(d.Sync())", new: "return syncIgnoringInvalid(nil)",
	},
	{
		name: "no sync of a tree",
		file: "internal/durable/durable.go", caught: test("internal/durable", "^TestPowerFailure$"),
		old: "if err := unix.Syncfs(int(d.Fd())); err != nil {", new: "if err := unix.Access(\"/\", 0); err != nil {",
	},
	{
		name: "entries count as settled before they are synced",
		file: "workspace/settle.go", caught: test("workspace", "^TestPowerFailure$"),
		old: "go func() { synced <- durable.SyncTree(root, \".\") }()", new: "go func() { _ = root; synced <- nil }()",
	},

	// The cache's own files go when nobody needs them.
	{
		name: "a sweep takes the locks of entries",
		file: "workspace/own_files.go", caught: ownFiles,
		old: "needed[l[0]], needed[l[1]] = true, true", new: "needed[l[0]] = true",
	},
	{
		name: "a sweep takes a file from under who is about to rename it",
		file: "workspace/own_files.go", caught: ownFiles,
		old: "s.c.now().Sub(info.ModTime()) <= staleTemp", new: "false",
	},

	// Nobody sees another's writes.
	{
		name: "a change at the top of a tree is not looked for",
		file: "workspace/manifest.go", caught: test("workspace", "^TestTampering$"),
		old: "if why = r.changedSince(ctime(&st)); why != \"\" {", new: "if why = r.changedSince(r.Changed); why != \"\" {",
	},
	{
		name: "no read-only mount",
		file: "workspace/guard.go", caught: test("workspace", "^TestSharedTreeIsMountedReadOnly$"),
		old: "if r.Kind != KindShared || c.unguarded.Load() {\n\t\treturn nil", new: "if true {\n\t\treturn nil",
	},
	{
		name: "a tree that was changed is handed out",
		file: "workspace/tamper.go", caught: test("workspace", "^TestTampering$"),
		old: "return bad == \"\" && err == nil, err\n}\n\n// suspect", new: "return err == nil, err\n}\n\n// suspect",
	},
	{
		name: "a run gets its writable workspace as a shared one",
		file: "workspace/again.go", caught: modelled,
		old: "case !r.ReadOnly && shared:\n\t\treturn nil, nil", new: "case !r.ReadOnly && shared && r.Boot == \"\":\n\t\treturn nil, nil",
	},

	// Deletion.
	{
		name: "deletion goes through mounts",
		file: "internal/mounts/opendir.go", caught: test("internal/rmtree", "^TestRemove$"),
		old: "unix.RESOLVE_NO_XDEV | ", new: "",
	},
	{
		name: "deletion follows links",
		file: "internal/rmtree/rmtree.go", caught: test("internal/rmtree", "^TestRemove$"),
		old: "if err := r.ctx.Err(); err != nil {\n\t\treturn err\n\t}\n\terr := unix.Unlinkat(dir, name, 0)", new: "if err := r.ctx.Err(); err != nil {\n\t\treturn err\n\t}\n\tif fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY, 0); err == nil {\n\t\t_ = r.children(fd, shown, h, depth)\n\t\tunix.Close(fd)\n\t}\n\terr := unix.Unlinkat(dir, name, 0)",
	},
	{
		name: "nothing is unmounted before it is deleted",
		file: "workspace/trash.go", caught: test("workspace", "^TestMountInAWorkspaceGoesWithIt$"),
		old: "if err := mounts.UnmountBelow(path.Join(c.realDir(), where)); err != nil && !gone(err) {", new: "if err := error(nil); err != nil && !gone(err) {",
	},
}
