package dev

import (
	"net"
	"strconv"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
)

const (
	// clusterName is the only cluster's. Its id is made by the server when the
	// database is new, and stays with the database.
	clusterName = "active"
	storeName   = "sqlite"

	// historyCacheSize bounds the workflows that history keeps in memory. The
	// server's own default is meant for a fleet.
	historyCacheSize = 8 << 10

	// visibilityRPS is how many lists and counts a second a namespace may ask
	// for. The server's default is used up by one open browser tab and one sweep.
	visibilityRPS = 100
)

// serverConfig describes the server. There is no gossip (the hosts are static),
// no profiler, no metrics listener, no HTTP API and no archive.
func serverConfig(host, address string, p ports, db *config.SQL) []temporal.ServerOption {
	cfg := &config.Config{
		Persistence: config.Persistence{
			DefaultStore:     storeName,
			VisibilityStore:  storeName,
			NumHistoryShards: 1,
			DataStores:       map[string]config.DataStore{storeName: {SQL: db}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: address},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services: map[string]config.Service{
			string(primitives.FrontendService): rpc(host, p.frontend),
			string(primitives.HistoryService):  rpc(loopback, p.history),
			string(primitives.MatchingService): rpc(loopback, p.matching),
			string(primitives.WorkerService):   rpc(loopback, p.worker),
		},
		PublicClient: config.PublicClient{HostPort: address},
	}
	cfg.Archival.History.State = config.ArchivalDisabled
	cfg.Archival.Visibility.State = config.ArchivalDisabled
	cfg.NamespaceDefaults.Archival.History.State = config.ArchivalDisabled
	cfg.NamespaceDefaults.Archival.Visibility.State = config.ArchivalDisabled

	return []temporal.ServerOption{
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(map[primitives.ServiceName]static.Hosts{
			primitives.FrontendService: static.SingleLocalHost(address),
			primitives.HistoryService:  static.SingleLocalHost(inner(p.history)),
			primitives.MatchingService: static.SingleLocalHost(inner(p.matching)),
			primitives.WorkerService:   static.SingleLocalHost(inner(p.worker)),
		}),
		// Named, so that the server does not warn that there is none.
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return authorization.NewNoopClaimMapper() }),
		temporal.WithDynamicConfigClient(dynamicconfig.StaticClient{
			dynamicconfig.HistoryCacheHostLevelMaxSize.Key():                 historyCacheSize,
			dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): visibilityRPS,
			// A worker that stops gets what its last polls were about to bring, and gives it
			// back; else it is lost until its time is up.
			dynamicconfig.EnableCancelWorkerPollsOnShutdown.Key(): true,
		}),
	}
}

func rpc(host string, port int) config.Service {
	return config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: host}}
}

func inner(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }
