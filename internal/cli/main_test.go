package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the annals command of the test binary itself, so that scripts run what users run.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"annals": func() { os.Exit(Main()) }})
}

func TestScripts(t *testing.T) {
	recording := filepath.Join(t.TempDir(), "recording.log.gz")
	if err := os.WriteFile(recording, story, 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("RECORDING", recording)
			e.Setenv("ANNALS_DATA", filepath.Join(e.WorkDir, "data"))
			e.Setenv("ANNALS_LISTEN", "127.0.0.1:0")
			e.Setenv("ANNALS_HTTP", "127.0.0.1:0")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exit": exitIs, "waitfor": waitFor, "flip": flip,
		},
	})
}
