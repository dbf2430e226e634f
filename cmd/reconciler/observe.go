package main

import (
	"context"
	"time"

	"reconciler/internal/controller"
	"reconciler/internal/metrics"
)

// observe lets the turn be seen on the configured address. The figures outlive
// the turn. stop ends the turn and waits until the address is free again.
func (s *server) observe(t *turn) (stop func()) {
	if t.config.Metrics == "" {
		return func() {}
	}
	if s.metrics == nil {
		s.metrics = metrics.New(version, time.Now)
	}
	m, connect, log := s.metrics, t.loop.Cloud.Connect, t.loop.Log
	t.loop.Observer = m
	t.loop.Cloud.Connect = func(ctx context.Context) (controller.EC2, error) {
		api, err := connect(ctx)
		if err != nil {
			return nil, err
		}
		return m.EC2(api), nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Serve(t.ctx, t.config.Metrics, func(err error) {
			if err != nil {
				log.Error("no metrics for now; the bans are enforced all the same", "error", oneLine(err))
				return
			}
			log.Info("serving metrics", "address", t.config.Metrics)
		})
	}()
	return func() {
		t.end(nil)
		<-done
	}
}
