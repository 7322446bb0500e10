package session

import (
	"strconv"
	"testing"
	"time"
)

const message = 7

// asked is a question to ada, shown in a message.
func asked() *Confirmations[string] {
	var c Confirmations[string]
	c.Ask("id", ada, "stop web", noon)
	c.Bind("id", message)
	return &c
}

// TestConfirmation: a tap counts within 60 seconds, from whom was asked, in the
// chat and on the message that asked (B8).
func TestConfirmation(t *testing.T) {
	for _, test := range []struct {
		name    string
		id      string
		key     Key
		message int
		after   time.Duration
		want    Answer
		stays   bool // who was asked may still answer
	}{
		{"at once", "id", ada, message, 0, Confirmed, false},
		{"at the last moment", "id", ada, message, ConfirmLifetime - 1, Confirmed, false},
		{"too late", "id", ada, message, ConfirmLifetime, Unknown, false},
		{"hours later", "id", ada, message, time.Hour, Unknown, false},
		{"after the clock went back", "id", ada, message, -time.Hour, Unknown, false},
		{"somebody else in that chat", "id", Key{User: 2, Chat: 1}, message, 0, Foreign, true},
		{"the user in another chat", "id", group, message, 0, Foreign, true},
		{"somebody else elsewhere", "id", bob, message, 0, Foreign, true},
		{"nobody", "id", Key{}, message, 0, Foreign, true},
		{"somebody else, too late", "id", bob, message, time.Hour, Foreign, true},
		{"another message", "id", ada, message + 1, 0, Unknown, true},
		{"no message", "id", ada, 0, 0, Unknown, true},
		{"another question", "di", ada, message, 0, Unknown, true},
		{"no question", "", ada, message, 0, Unknown, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := asked()
			payload, answer := c.Take(test.id, test.key, test.message, noon.Add(test.after))
			if answer != test.want || (payload == "stop web") != (answer == Confirmed) {
				t.Errorf("%v with %q, want %v", answer, payload, test.want)
			}
			if _, again := c.Take("id", ada, message, noon); (again == Confirmed) != test.stays {
				t.Errorf("the question stays: %v, want %v", again == Confirmed, test.stays)
			}
		})
	}
}

func TestTapCountsOnce(t *testing.T) {
	c := asked()
	confirmed := 0
	for range 10 {
		if _, answer := c.Take("id", ada, message, noon); answer == Confirmed {
			confirmed++
		}
	}
	if confirmed != 1 {
		t.Errorf("confirmed %d times", confirmed)
	}
}

// TestTapBeforeTheMessageIsKnown: the user may be quicker than the bot, which
// learns the message's number from the answer to its request.
func TestTapBeforeTheMessageIsKnown(t *testing.T) {
	var c Confirmations[string]
	c.Ask("id", ada, "stop", noon)
	if _, answer := c.Take("id", bob, message, noon); answer != Foreign {
		t.Errorf("somebody else: %v", answer)
	}
	if payload, answer := c.Take("id", ada, message, noon); answer != Confirmed || payload != "stop" {
		t.Errorf("%q, %v", payload, answer)
	}
	c.Bind("id", message) // too late: it was answered
	if _, answer := c.Take("id", ada, message, noon); answer != Unknown {
		t.Errorf("bound after it was answered: %v", answer)
	}
}

func TestQuestionsDoNotMix(t *testing.T) {
	c := asked()
	c.Ask("other", ada, "kill db", noon)
	c.Bind("other", message+1)
	if payload, answer := c.Take("other", ada, message+1, noon); answer != Confirmed || payload != "kill db" {
		t.Errorf("%q, %v", payload, answer)
	}
	if payload, answer := c.Take("id", ada, message, noon); answer != Confirmed || payload != "stop web" {
		t.Errorf("%q, %v", payload, answer)
	}
}

func TestDropAndSweep(t *testing.T) {
	c := asked()
	c.Ask("of bob", bob, "kill", noon.Add(time.Second))
	c.Drop(func(k Key) bool { return k.User == 1 })
	if _, answer := c.Take("id", ada, message, noon); answer != Unknown {
		t.Errorf("dropped, it is %v", answer)
	}
	c.Sweep(noon.Add(ConfirmLifetime))
	if len(c.asked) != 1 {
		t.Error("swept while it ran")
	}
	c.Sweep(noon.Add(ConfirmLifetime + time.Second))
	if len(c.asked) != 0 {
		t.Error("what expired is kept")
	}
}

func TestZeroConfirmations(t *testing.T) {
	var c Confirmations[string]
	c.Bind("id", message)
	c.Sweep(noon)
	c.Drop(anybody)
	if _, answer := c.Take("", Key{}, 0, time.Time{}); answer != Unknown || answer == Confirmed {
		t.Errorf("%v", answer)
	}
}

func TestQuestionsAreBounded(t *testing.T) {
	var c Confirmations[int]
	for n := range 3 * atMost {
		c.Ask(strconv.Itoa(n), ada, n, noon.Add(time.Duration(n)*time.Millisecond))
	}
	c.Ask(strconv.Itoa(3*atMost-1), ada, 0, noon.Add(4*time.Second))
	if len(c.asked) != atMost {
		t.Errorf("%d questions are kept", len(c.asked))
	}
	if _, answer := c.Take(strconv.Itoa(2*atMost), ada, message, noon.Add(4*time.Second)); answer != Confirmed {
		t.Error("a question that was asked again took another's place, or it was not the oldest that made room")
	}
}
