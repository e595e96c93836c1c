package faults_test

import "github.com/cordonlabs/cordon/workspace"

func (o order) work(c *workspace.Cache) error { return nil }
