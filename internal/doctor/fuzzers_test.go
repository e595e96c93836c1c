package doctor_test

import (
	"testing"

	"github.com/cordonlabs/cordon/internal/doctor"
)

func TestAFuzzerWithoutItsToolsSaysWhatToInstall(t *testing.T) {
	want(t, one(t, env(t, map[string]string{"CORDON_PYTHON": "/no/such/python"}), "fuzzers"), doctor.Warn, "not atheris", "/no/such/python", "pip install atheris")
}
