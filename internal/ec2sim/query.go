package ec2sim

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// outcome is what a call comes to.
type outcome struct {
	reply   reply
	err     *apiError
	silent  bool // no answer: the caller is gone or the connection is to be cut
	changed bool
}

// exchange is one request on its way through the server.
type exchange struct {
	call    Call
	id      string
	service string
	header  http.Header
	inj     *Injection
}

// serveQuery answers one request to EC2 or STS.
func (s *Server) serveQuery(w http.ResponseWriter, r *http.Request) {
	x := &exchange{id: s.nextRequestID(), service: serviceEC2, header: r.Header}
	x.call.Time = s.now()
	form, err := readForm(w, r)
	out := outcome{err: err}
	if err == nil {
		s.identify(x, form)
		x.inj = s.faults.take(x.call)
		x.call.Fault = x.inj.kind()
		out = s.answer(r.Context(), x)
	}
	x.call.Changed = out.changed
	if out.silent {
		s.ledger.record(x.call)
		cut(w)
		return
	}
	x.call.Status = http.StatusOK
	if out.err != nil {
		x.call.Code, x.call.Status = out.err.code, out.err.status
	}
	if x.call.Fault == ResetAfter {
		x.call.Code, x.call.Status = "", 0
	}
	s.ledger.record(x.call)
	s.send(w, r, x, out)
}

// identify fills in what the parameters say about the call.
func (s *Server) identify(x *exchange, form url.Values) {
	x.call.Params = form
	x.call.Action = form.Get("Action")
	x.call.DryRun = form.Get("DryRun") == "true"
	if form.Get("Version") == versionSTS {
		x.service = serviceSTS
		return
	}
	x.call.Write = actionsEC2[x.call.Action].write
}

// answer takes a call through the faults that come before its effect.
func (s *Server) answer(ctx context.Context, x *exchange) outcome {
	there := true
	switch x.call.Fault {
	case Throttle, FailBefore:
		return outcome{err: x.inj.refusal()}
	case ResetBefore:
		return outcome{silent: true}
	case HangBefore:
		there = x.inj.wait(ctx)
	case Slow:
		there = x.inj.pause(ctx)
	}
	if !there {
		return outcome{silent: true}
	}
	req, err := s.prepare(x)
	if err != nil {
		return outcome{err: err}
	}
	if x.call.Fault == LateEffect {
		late := *x // the exchange itself goes on to its answer meanwhile
		x.inj.postpone(func() { s.land(late, req) })
		return outcome{err: x.inj.refusal()}
	}
	out := s.execute(x, req)
	if x.call.Fault == FailAfter {
		out.err = x.inj.refusal()
	}
	return out
}

// prepare checks all that can be checked without a look at the world.
func (s *Server) prepare(x *exchange) (request, *apiError) {
	if err := authenticate(x.header, x.service, s.region); err != nil {
		return request{}, err
	}
	act, err := x.find()
	if err != nil {
		return request{}, err
	}
	p := newParams(x.call.Params)
	if err := s.admit(x, act, p); err != nil {
		return request{}, err
	}
	if x.service == serviceEC2 {
		p.flag("DryRun")
	}
	req := act.parse(s, p)
	return req, p.finish()
}

// find looks the action up.
func (x *exchange) find() (action, *apiError) {
	version, table := versionEC2, actionsEC2
	if x.service == serviceSTS {
		version, table = versionSTS, actionsSTS
	}
	if x.call.Action == "" {
		return action{}, refuse("MissingAction", "The request must contain the parameter Action")
	}
	if v := x.call.Params.Get("Version"); v != version {
		return action{}, refuse("NoSuchVersion", "The requested version (%s) of service AmazonEC2 does not exist", v)
	}
	act, ok := table[x.call.Action]
	if !ok {
		return action{}, refuse(codeInvalidAction, "The action %s is not valid for this web service.", x.call.Action)
	}
	return act, nil
}

// admit spends a token of the action's bucket.
func (s *Server) admit(x *exchange, act action, p *params) *apiError {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.throttle {
		return nil
	}
	name, r := rateOf(x.call.Action, act.write, p)
	b, ok := s.buckets[name]
	if !ok {
		b = &bucket{}
		s.buckets[name] = b
	}
	if !b.take(r, s.now()) {
		return refuse(codeLimitExceeded, messageRateExceeded)
	}
	return nil
}

// send writes the answer out, or what a fault leaves of it.
func (s *Server) send(w http.ResponseWriter, r *http.Request, x *exchange, out outcome) {
	switch x.call.Fault {
	case ResetAfter:
		cut(w)
		return
	case HangAfter:
		if !x.inj.wait(r.Context()) {
			cut(w)
			return
		}
	}
	body, err := s.body(x, out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if x.call.Fault == Garbage {
		body = []byte("\x00<html>not the answer you wanted")
	}
	h := w.Header()
	h.Set("Content-Type", "text/xml;charset=UTF-8")
	h.Set("X-Amzn-Requestid", x.id)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(x.call.Status)
	if x.call.Fault == Truncate {
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body) // the caller may have gone; the call is decided all the same
}

func (s *Server) body(x *exchange, out outcome) ([]byte, error) {
	if out.err != nil {
		return encodeError(x.service, x.id, out.err)
	}
	space := spaceEC2
	if x.service == serviceSTS {
		space = spaceSTS
	}
	return encode(x.call.Action, space, x.id, out.reply)
}
