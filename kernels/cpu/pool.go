package cpu

import (
	"sync"
	"sync/atomic"
)

// spins is how often a thread looks for work (or for the others to finish) before it
// parks: some tens of microseconds, about what waking a parked thread costs.
const spins = 2000

// pool runs jobs on a fixed set of threads. The caller of run is thread 0; the helpers,
// one goroutine each, end with close. One run at a time.
type pool struct {
	threads int
	body    func(thread, job int) // of the current run; nil ends the helpers
	jobs    int64
	_       [64]byte
	next    atomic.Int64 // the first job that nobody took
	_       [64]byte
	epoch   atomic.Uint32 // counts runs
	_       [64]byte
	left    atomic.Int32 // helpers that have not finished this run
	waiting atomic.Bool  // the caller is parked, or about to be
	_       [64]byte
	done    chan struct{} // wakes the caller; one token at most, taken by whoever clears waiting
	helpers []helper
	ended   sync.WaitGroup
}

type helper struct {
	parked atomic.Bool
	wake   chan struct{} // one token at most, sent by whoever clears parked
	_      [64]byte
}

func newPool(threads int) *pool {
	p := &pool{threads: threads, done: make(chan struct{}, 1), helpers: make([]helper, threads-1)}
	for i := range p.helpers {
		p.helpers[i].wake = make(chan struct{}, 1)
		p.ended.Add(1)
		go p.help(&p.helpers[i], i+1)
	}
	return p
}

// run calls body for jobs 0 … jobs-1, each once, on any of the threads, and returns when
// all are done.
func (p *pool) run(jobs int, body func(thread, job int)) {
	if len(p.helpers) == 0 || jobs < 2 {
		for j := range jobs {
			body(0, j)
		}
		return
	}
	p.start(jobs, body)
	p.take(0)
	p.wait()
}

func (p *pool) start(jobs int, body func(thread, job int)) {
	p.body, p.jobs = body, int64(jobs)
	p.next.Store(0)
	p.left.Store(int32(len(p.helpers)))
	p.epoch.Add(1)
	for i := range p.helpers {
		if h := &p.helpers[i]; h.parked.Load() && h.parked.CompareAndSwap(true, false) {
			h.wake <- struct{}{}
		}
	}
}

func (p *pool) take(thread int) {
	for {
		j := p.next.Add(1) - 1
		if j >= p.jobs {
			return
		}
		p.body(thread, int(j))
	}
}

func (p *pool) wait() {
	for i := 0; p.left.Load() != 0; i++ {
		if i < spins {
			pause()
			continue
		}
		p.waiting.Store(true)
		if p.left.Load() == 0 && p.waiting.CompareAndSwap(true, false) {
			return
		}
		<-p.done
	}
}

func (p *pool) help(h *helper, thread int) {
	defer p.ended.Done()
	for seen := uint32(0); ; {
		for i := 0; p.epoch.Load() == seen; i++ {
			if i < spins {
				pause()
				continue
			}
			h.parked.Store(true)
			if p.epoch.Load() != seen && h.parked.CompareAndSwap(true, false) {
				break
			}
			<-h.wake
		}
		seen = p.epoch.Load()
		if p.body == nil {
			return
		}
		p.take(thread)
		if p.left.Add(-1) == 0 && p.waiting.CompareAndSwap(true, false) {
			p.done <- struct{}{}
		}
	}
}

// close ends the helpers and waits for them.
func (p *pool) close() {
	if len(p.helpers) == 0 {
		return
	}
	p.start(0, nil)
	p.ended.Wait()
	p.helpers = nil
}
