package dev

import (
	"context"
	"fmt"
	"time"

	"github.com/cordonlabs/cordon"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// readyPoll is short against the start, and costs the server next to nothing.
const readyPoll = 20 * time.Millisecond

// waitReady returns once every namespace can be described.
func waitReady(ctx context.Context, address string, namespaces []string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close() // nothing is in flight that a failed close could lose
	service := workflowservice.NewWorkflowServiceClient(conn)
	for _, ns := range namespaces {
		for {
			_, err := service.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: ns}, grpc.WaitForReady(true))
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return &cordon.Error{Op: "wait for the embedded Temporal server", Name: address,
					Err: fmt.Errorf("%w (its last answer: %v)", context.Cause(ctx), err)}
			case <-time.After(readyPoll):
			}
		}
	}
	return nil
}
