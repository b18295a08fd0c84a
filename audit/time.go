package audit

import "encoding/binary"

// Micros reads an RFC 3339 time as microseconds since 1970. It reads what kube-apiserver writes
// (2006-01-02T15:04:05.000000Z) and what others make of it: any number of fraction digits (those after the sixth are cut
// off) or none, an offset, lower case, a space for the T.
func Micros(t []byte) (int64, bool) {
	if len(t) < len("2006-01-02T15:04:05Z") || t[4] != '-' || t[7] != '-' || t[13] != ':' || t[16] != ':' ||
		(t[10]|0x20 != 't' && t[10] != ' ') {
		return 0, false
	}
	century, ok1 := pair(t, 0)
	years, ok2 := pair(t, 2)
	month, ok3 := pair(t, 5)
	day, ok4 := pair(t, 8)
	hour, ok5 := pair(t, 11)
	minute, ok6 := pair(t, 14)
	second, ok7 := pair(t, 17)
	year := century*100 + years
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7) || month-1 > 11 || day-1 >= daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	micros := ((daysSince1970(year, month, day)*24+int64(hour))*60+int64(minute))*60 + int64(second)
	fraction, ok := uint64(0), true
	if len(t) == len("2006-01-02T15:04:05.000000Z") && t[19] == '.' && t[26] == 'Z' {
		fraction, ok = sixDigits(t)
		return micros*1e6 + int64(fraction), ok
	}
	fraction, rest, ok := fractionOf(t[19:])
	offset, ok8 := offsetOf(rest)
	return (micros-offset)*1e6 + int64(fraction), ok && ok8
}

// pair is the two digits at t[i].
func pair(t []byte, i int) (uint, bool) {
	hi, lo := uint(t[i]-'0'), uint(t[i+1]-'0')
	return hi*10 + lo, hi <= 9 && lo <= 9
}

// sixDigits is the fraction at t[20:26].
func sixDigits(t []byte) (uint64, bool) {
	x := binary.LittleEndian.Uint64(t[19:27])>>8&(1<<48-1) ^ 0x303030303030 // each byte a digit, if it is below 10
	if (x+0x767676767676|x)&0x808080808080 != 0 {
		return 0, false
	}
	a, b, c := x&0xff*10+x>>8&0xff, x>>16&0xff*10+x>>24&0xff, x>>32&0xff*10+x>>40
	return (a*100+b)*100 + c, true
}

// fractionOf reads .123 as microseconds and returns what follows it.
func fractionOf(t []byte) (micros uint64, rest []byte, ok bool) {
	if t[0] != '.' {
		return 0, t, true
	}
	i, scale := 1, uint64(100_000)
	for ; i < len(t) && t[i]-'0' <= 9; i++ {
		micros += uint64(t[i]-'0') * scale
		scale /= 10
	}
	return micros, t[i:], i > 1
}

// offsetOf reads Z, +hh:mm or -hh:mm as seconds.
func offsetOf(t []byte) (int64, bool) {
	if len(t) == 1 && t[0]|0x20 == 'z' {
		return 0, true
	}
	if len(t) != len("+00:00") || t[0] != '+' && t[0] != '-' || t[3] != ':' {
		return 0, false
	}
	hours, ok1 := pair(t, 1)
	minutes, ok2 := pair(t, 4)
	seconds := int64(hours*60+minutes) * 60
	if t[0] == '-' {
		seconds = -seconds
	}
	return seconds, ok1 && ok2 && hours <= 24 && minutes <= 60 // time.Parse takes as much
}

func daysIn(year, month uint) uint {
	switch {
	case month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0):
		return 29
	case month == 2:
		return 28
	case month == 4 || month == 6 || month == 9 || month == 11:
		return 30
	}
	return 31
}

// daysSince1970 counts years from March, so that a leap day is a year's last; 719468 is the first of March of year 0.
func daysSince1970(year, month, day uint) int64 {
	y, m := int64(year), int64(month)-3
	if m < 0 {
		y, m = y-1, m+12
	}
	era := y / 400
	if y < 0 {
		era = -1
	}
	inEra := y - era*400
	return era*146097 + inEra*365 + inEra/4 - inEra/100 + (153*m+2)/5 + int64(day) - 1 - 719468
}

// AppendMicros appends a time in microseconds since 1970 as kube-apiserver writes it, as 2006-01-02T15:04:05.000000Z. It is for
// the years 0 to 9999; others have no such form. Every event has two of them, and package time takes ten times as long over a
// layout.
func AppendMicros(dst []byte, micros int64) []byte {
	const perDay = 86400e6
	days, inDay := micros/perDay, micros%perDay
	if inDay < 0 {
		days, inDay = days-1, inDay+perDay
	}
	year, month, day := dateOf(days)
	second, fraction := uint(inDay/1e6), uint(inDay%1e6)
	b := [...]byte{
		digit(year / 1000), digit(year / 100), digit(year / 10), digit(year), '-', digit(month / 10), digit(month), '-', digit(day / 10), digit(day), 'T',
		digit(second / 36000), digit(second / 3600 % 10), ':', digit(second / 600 % 6), digit(second / 60), ':', digit(second / 10 % 6), digit(second), '.',
		digit(fraction / 100000), digit(fraction / 10000), digit(fraction / 1000), digit(fraction / 100), digit(fraction / 10), digit(fraction), 'Z',
	}
	return append(dst, b[:]...)
}

func digit[N int | uint](n N) byte { return '0' + byte(n%10) }

// dateOf undoes daysSince1970.
func dateOf(days int64) (year, month, day int) {
	days += 719468
	era := days / 146097
	if days < 0 {
		era = (days - 146096) / 146097
	}
	inEra := days - era*146097
	inYear := (inEra - inEra/1460 + inEra/36524 - inEra/146096) / 365
	inYearDay := inEra - (365*inYear + inYear/4 - inYear/100)
	m := (5*inYearDay + 2) / 153
	day = int(inYearDay - (153*m+2)/5 + 1)
	year, month = int(era*400+inYear), int(m+3)
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, day
}
