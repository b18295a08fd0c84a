package baseline

import (
	"math"
	"math/bits"
)

// What has to be known before anything is called unusual, and how unusual that must be, in bits. They were chosen on seeds of
// the benchmark that its published figures do not use.
const (
	minDays    = 5  // on which the actor was active before
	minPeers   = 5  // with whom one without a past is compared
	minChanges = 20 // in an hour, for their number to be told

	tellBits     = 8.0  // one thing by itself, at low
	mediumBits   = 11.0 // at medium
	highBits     = 16.0 // at high
	togetherBits = 14.0 // several things on one day, of which each has
	eachBits     = 3.0
)

// Needs is on how many days an actor must have been active before anything of it is called unusual.
const Needs = minDays

// population is what an actor is held against: the others of its kind.
type population []*actor

// scale is how unusual it is that an actor shows a value on a day: the bits of showing anything new in this feature, by its own
// past, and those of it being this, by how many of its peers have shown it before. 0 where it is not new, or too little known.
func (a *actor) surprise(f feature, value string, day int32, peers population) float64 {
	active := bits.OnesCount64(a.Active.before(day))
	if active < minDays || len(a.Values[f]) >= maxValues {
		return 0
	}
	if d := a.Values[f][value]; d == nil || !d.has(day) || d.before(day) != 0 {
		return 0
	}
	var new uint64 // days on which something new was shown
	for _, d := range a.Values[f] {
		new |= first(d.before(day))
	}
	new &^= first(a.Active.before(day)) // on the first of all days everything is
	own := surprisal(bits.OnesCount64(new), active-1)
	n, have := 0, 0
	for _, p := range peers {
		if p == a || p.Active.before(day) == 0 {
			continue
		}
		n++
		if d := p.Values[f][value]; d != nil && d.before(day) != 0 {
			have++
		}
	}
	return own + surprisal(have, n)
}

// surprisal is the bits of something that happened k times of n, with a prior of one half (Krichevsky and Trofimov).
func surprisal(k, n int) float64 {
	return -math.Log2((float64(k) + 0.5) / (float64(n) + 1))
}

// hour is how unusual it is that a person is active in an hour: by the days on which they were so within an hour of it, and by
// whether they ever are on such a day of the week.
func (a *actor) hour(hour int, day int32) float64 {
	before := a.Active.before(day)
	n := bits.OnesCount64(before)
	if a.Kind != person || n < minDays || a.Hours[day]&(1<<hour) == 0 {
		return 0
	}
	near := uint32(1<<hour | 1<<((hour+1)%24) | 1<<((hour+23)%24))
	have, weekend, restDays := 0, 0, 0
	for i := range 64 {
		if before&(1<<i) == 0 {
			continue
		}
		d := day - 1 - int32(i)
		if a.Hours[d]&near != 0 {
			have++
		}
		if restDay(d) {
			weekend++
		}
		restDays++
	}
	b := surprisal(have, n)
	if restDay(day) {
		b = max(b, surprisal(weekend, restDays))
	}
	if b < 1 {
		return 0
	}
	return b
}

// restDay says whether a day is a Saturday or a Sunday. 1970 began on a Thursday.
func restDay(day int32) bool { w := (day + 4) % 7; return w == 6 || w == 0 }

// rate is how unusual so many changes in an hour are, against the actor's busiest hours on the days before, or if it has too few
// against those of its peers. Their logarithms are taken for normal.
func (a *actor) rate(n uint32, day int32, peers population) (surprise float64, against int) {
	if n < minChanges {
		return 0, 0
	}
	var logs []float64
	before := a.Active.before(day)
	if bits.OnesCount64(before) >= minDays {
		logs = a.peaks(before, day)
	} else {
		for _, p := range peers {
			if past := p.peaks(p.Active.before(day), day); p != a && len(past) > 0 {
				logs = append(logs, past...)
				against++
			}
		}
		if against < minPeers {
			return 0, 0
		}
	}
	mean, dev := normal(logs)
	z := (math.Log1p(float64(n)) - mean) / dev
	return min(64, -math.Log2(0.5*math.Erfc(z/math.Sqrt2))), against
}

// peaks are the logarithms of the changes in the busiest hours of some days before a day.
func (a *actor) peaks(before uint64, day int32) (logs []float64) {
	for i := range 64 {
		if before&(1<<i) != 0 {
			logs = append(logs, math.Log1p(float64(a.Peak[day-1-int32(i)])))
		}
	}
	return logs
}

// normal is the mean, and the deviation with what is not known of it: few days tell little, and none is exact.
func normal(x []float64) (mean, dev float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	for _, v := range x {
		dev += (v - mean) * (v - mean) / max(1, n-1)
	}
	return mean, max(math.Sqrt(dev), 0.5) * math.Sqrt(1+2/n)
}
