package drivertest_test

import "github.com/cordonlabs/cordon/workspace/driver/drivertest"

func init() { drivertest.Child() }
