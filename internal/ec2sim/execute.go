package ec2sim

import (
	"net/http"
	"strings"
)

// execute carries a request out: permission, existence, dry run, effect, in
// this order and under one lock.
func (s *Server) execute(x *exchange, req request) outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.permit(x, req); err != nil {
		return outcome{err: err}
	}
	if req.exists != nil {
		if err := req.exists(s.present()); err != nil {
			return outcome{err: err}
		}
	}
	if x.call.DryRun {
		return outcome{err: refuse(codeDryRun, "Request would have succeeded, but DryRun flag is set.")}
	}
	if req.read != nil {
		r, err := req.read(s.view(x.inj))
		return outcome{reply: r, err: err}
	}
	next := s.present().clone()
	e, err := req.write(next)
	if err != nil {
		return outcome{err: err}
	}
	if e.changed {
		if err := s.commit(next); err != nil {
			return outcome{err: refuse(codeInternal, "%v", err)}
		}
	}
	return outcome{reply: e.reply, changed: e.changed}
}

// permit refuses an action that was denied. s.mu is held.
func (s *Server) permit(x *exchange, req request) *apiError {
	if !s.denied[x.call.Action] {
		return nil
	}
	resource := req.resource
	if sort, id, ok := strings.Cut(resource, "/"); ok {
		resource = arn(s.region, sort, id)
	}
	return refuse(codeUnauthorized,
		"You are not authorized to perform this operation. User: %s is not authorized to perform: %s:%s on resource: %s because no identity-based policy allows the %s:%s action",
		principal(s.present()), x.service, x.call.Action, resource, x.service, x.call.Action)
}

// land lets the effect of a call come after its answer.
func (s *Server) land(late exchange, req request) {
	late.call.Time, late.call.Late, late.call.Code, late.call.Status = s.now(), true, "", http.StatusOK
	out := s.execute(&late, req)
	late.call.Changed = out.changed
	if out.err != nil {
		late.call.Code, late.call.Status = out.err.code, out.err.status
	}
	s.ledger.record(late.call)
}
