package dev

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/google/uuid"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/resolver"
	"go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"
)

// retention is how long a closed workflow can be looked at. A week is what an
// unused cache entry gets, too.
const retention = 7 * 24 * time.Hour

// openDatabase returns the configuration of a database that has its schema and
// its namespaces; d is nil for one in memory.
//
// The SQLite plugin keeps one connection for each database until the process
// ends. That is harmless for a file (an idle connection holds no lock), and is
// what keeps a database in memory alive.
func openDatabase(d *dataDir, namespaces []string) (*config.SQL, error) {
	cfg := &config.SQL{PluginName: sqliteplugin.PluginName}
	name := "in memory"
	if d == nil {
		cfg.DatabaseName = "cordon-" + uuid.NewString()
		cfg.ConnectAttributes = map[string]string{"mode": "memory", "cache": "shared"}
	} else {
		name = d.database()
		cfg.DatabaseName = uriPath(name)
		cfg.ConnectAttributes = map[string]string{
			"mode": "rwc",
			// A log beside the file, synced at checkpoints: a killed process loses
			// nothing, a power cut the last moments, and a commit costs no fsync.
			"journal_mode": "wal",
			"synchronous":  "normal",
		}
	}
	err := prepare(cfg, d != nil, namespaces)
	if err != nil {
		fix := ""
		if d != nil {
			fix = fmt.Sprintf("move %s away to begin anew, or choose another folder with --data", filepath.Base(name))
		}
		return nil, &cordon.Error{Kind: kindOf(err), Op: "open Temporal's database", Name: name, Err: err, Fix: fix}
	}
	return cfg, nil
}

func prepare(cfg *config.SQL, onDisk bool, namespaces []string) error {
	if onDisk {
		if err := setUpSchema(cfg); err != nil {
			return err
		}
	}
	var configs []*sqlite.NamespaceConfig
	for _, name := range namespaces {
		ns, err := sqlite.NewNamespaceConfig(clusterName, name, false, nil)
		if err != nil {
			return fmt.Errorf("namespace %q: %w", name, err)
		}
		ns.Detail.Config.Retention = durationpb.New(retention)
		configs = append(configs, ns)
	}
	return sqlite.CreateNamespaces(cfg, configs...)
}

// setUpSchema makes the tables in a file that has none, in one transaction: a
// process that is killed meanwhile leaves none.
func setUpSchema(cfg *config.SQL) (err error) {
	db, err := sql.NewSQLAdminDB(sqlplugin.DbKindUnknown, cfg, resolver.NewNoopResolver(), log.NewNoopLogger(), metrics.NoopMetricsHandler)
	if err != nil {
		return err
	}
	defer db.Close() // gives a reference back; the plugin keeps the connection
	tables, err := db.ListTables(cfg.DatabaseName)
	if err != nil || len(tables) > 0 {
		return err
	}
	if err := db.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := sqlite.SetupSchemaOnDB(db); err != nil {
		return errors.Join(err, db.Exec("ROLLBACK"))
	}
	return db.Exec("COMMIT")
}

// uriPath escapes what ends the path of a SQLite URI, or escapes in it.
func uriPath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
}
