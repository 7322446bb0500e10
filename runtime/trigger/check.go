package trigger

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// CheckByItself says what is wrong with what a manifest wants to be run without a
// user: every fault, joined, or nil. What [abi.Manifest.Check] finds it leaves out.
// It is pure.
func CheckByItself(m abi.Manifest) error {
	if len(m.Schedules)+len(m.Events) == 0 {
		return nil
	}
	requests := make([]capability.Request, 0, len(m.Capabilities))
	for _, c := range m.Capabilities {
		requests = append(requests, capability.Request{Name: c.Name, Scope: c.Scope})
	}
	asked, err := capability.Parse(requests)
	if err != nil {
		return err
	}
	var faults []error
	if least, ok := asked.LeastInterval(); len(m.Schedules) > 0 && !ok {
		faults = append(faults, errors.New("schedules need the capability schedule"))
	} else {
		for _, s := range m.Schedules {
			faults = append(faults, checkSchedule(s, least))
		}
	}
	if len(m.Events) > 0 && !asked.Has(capability.ContainersList) {
		faults = append(faults, errors.New("events need the capability docker.containers.list, for the containers that they are about"))
	}
	for _, e := range m.Events {
		for _, t := range e.Types {
			if !asked.AllowsEvent(t) {
				faults = append(faults, fmt.Errorf("event %q needs the capability docker.events with it in the scope", t))
			}
		}
	}
	return errors.Join(faults...)
}

func checkSchedule(s abi.Schedule, least time.Duration) error {
	if s.Cron == "" {
		if every, err := time.ParseDuration(s.Every); err == nil && every < least {
			return fmt.Errorf("schedule %q: every %s is more often than the %s of the capability schedule", s.Name, every, least)
		}
		return nil
	}
	if _, err := parseCron(s.Cron); err != nil {
		return fmt.Errorf("schedule %q: %w", s.Name, err)
	}
	return nil
}

var cronParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// cronFields is what five fields are made of. A zone, as the library would read it
// out of "TZ=…", is not among it.
const cronFields = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ*/,-? "

// someDay is one from which every line that has an occurrence has one within
// five years.
var someDay = time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)

// parseCron reads five fields of crontab(5).
func parseCron(line string) (cron.Schedule, error) {
	if strings.Trim(line, cronFields) != "" || len(strings.Fields(line)) != 5 {
		return nil, fmt.Errorf("cron %q: five fields of crontab(5), such as 30 4 * * *", line)
	}
	parsed, err := cronParser.Parse(line)
	if err != nil {
		return nil, fmt.Errorf("cron %q: %w", line, err)
	}
	if parsed.Next(someDay).IsZero() {
		return nil, fmt.Errorf("cron %q: there is no such day", line)
	}
	return parsed, nil
}
