package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"cleave/coordinator/job"
)

// speech passes on what local workers write, line by line, with the worker's name before
// each. Lines wait a moment: when a job ends because of one worker, the others complain
// about it too, and then only the line that names the cause is of use. What is merely
// informative is left out.
type speech struct {
	mu      sync.Mutex
	out     io.Writer
	waiting []utterance
	settled bool
	only    string // settled: the worker that is still listened to
	timer   *time.Timer
}

type utterance struct {
	name string
	text string
	at   time.Time
}

// hold is how long a line waits. The job's end follows the first complaint within
// job.Timing.Grace and a little.
const hold = 1500 * time.Millisecond

func newSpeech(out io.Writer) *speech { return &speech{out: out} }

// of returns the writer of a worker's output.
func (s *speech) of(name string) io.Writer { return &mouth{speech: s, name: name} }

// mouth cuts a worker's output into lines. exec writes to it from one goroutine.
type mouth struct {
	speech *speech
	name   string
	rest   []byte
}

func (m *mouth) Write(b []byte) (int, error) {
	m.rest = append(m.rest, b...)
	for {
		line, rest, found := bytes.Cut(m.rest, []byte("\n"))
		if !found {
			return len(b), nil
		}
		m.speech.say(m.name, string(line))
		m.rest = rest
	}
}

func (s *speech) say(name, text string) {
	text = strings.TrimRight(text, "\r")
	if text == "" || strings.Contains(text, " level=INFO ") || strings.Contains(text, " level=DEBUG ") {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settled {
		if name == s.only {
			fmt.Fprintf(s.out, "%s: %s\n", name, text)
		}
		return
	}
	s.waiting = append(s.waiting, utterance{name, text, time.Now()})
	if s.timer == nil {
		s.timer = time.AfterFunc(hold, s.release)
	}
}

// release passes on the lines that have waited long enough.
func (s *speech) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = nil
	for len(s.waiting) > 0 {
		w := s.waiting[0]
		if left := hold - time.Since(w.at); left > 0 {
			s.timer = time.AfterFunc(left, s.release)
			return
		}
		fmt.Fprintf(s.out, "%s: %s\n", w.name, w.text)
		s.waiting = s.waiting[1:]
	}
}

// settle is told how the job ended. After a good end all lines are passed on, else only
// those of the worker that ended it.
func (s *speech) settle(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	var cause *job.WorkerError
	if errors.As(err, &cause) {
		s.only = cause.Name
	}
	s.settled = true
	for _, w := range s.waiting {
		if err == nil || w.name == s.only {
			fmt.Fprintf(s.out, "%s: %s\n", w.name, w.text)
		}
	}
	s.waiting = nil
}
