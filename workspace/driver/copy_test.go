package driver_test

import (
	"testing"

	"github.com/cordonlabs/cordon/workspace/driver"
	"github.com/cordonlabs/cordon/workspace/driver/drivertest"
)

func TestCopy(t *testing.T) {
	drivertest.Run(t, driver.Copy{}, func(t *testing.T) string { return t.TempDir() })
}
