package archive

import (
	"bufio"
	"encoding/binary"
	"io"
	"slices"
	"time"
)

// zip's record sizes, in bytes, and signatures.
const (
	zipLocalLen     = 30
	zipCentralLen   = 46
	zipEndLen       = 22
	zip64EndLen     = 56
	zip64LocatorLen = 20

	zipLocalSig     = "PK\x03\x04"
	zipCentralSig   = "PK\x01\x02"
	zipEndSig       = "PK\x05\x06"
	zip64EndSig     = "PK\x06\x06"
	zip64LocatorSig = "PK\x06\x07"
	zipDescriptor   = "PK\x07\x08"

	zipMaxComment = 1<<16 - 1
)

var le = binary.LittleEndian

// zipMember is one record of the central directory.
type zipMember struct {
	name     string
	flags    uint16
	method   uint16
	host     uint8  // the system that made it: 3 is Unix
	attrs    uint32 // of that system
	crc      uint32
	packed   int64 // bytes in the archive
	size     int64 // bytes of content
	offset   int64 // of the local header
	end      int64 // where the next member, or the central directory, begins; not in the record
	modified time.Time
}

// zipDirectory is where the central directory lies, as the end record says.
type zipDirectory struct {
	offset, length int64
	count          uint64
	exact          bool // count is the number itself, not its last 16 bits
}

// findZipDirectory reads the end records. There is one right place for each of
// them: archives in which two readers could find different directories are refused.
func findZipDirectory(s *source) (zipDirectory, error) {
	tail := make([]byte, min(s.size, zipEndLen+zipMaxComment))
	if _, err := s.ReadAt(tail, s.size-int64(len(tail))); err != nil && err != io.EOF {
		return zipDirectory{}, err
	}
	at := -1
	for i := len(tail) - zipEndLen; i >= 0; i-- {
		if string(tail[i:i+4]) != zipEndSig || i+zipEndLen+int(le.Uint16(tail[i+20:])) != len(tail) {
			continue
		}
		if at >= 0 {
			return zipDirectory{}, reject("", "the zip archive has two ends")
		}
		at = i
	}
	if at < 0 {
		return zipDirectory{}, reject("", "the zip archive has no central directory at its end: it was cut, or something follows it")
	}
	end := tail[at:]
	endAt := s.size - int64(len(tail)) + int64(at)
	d := zipDirectory{
		count:  uint64(le.Uint16(end[10:])),
		length: int64(le.Uint32(end[12:])),
		offset: int64(le.Uint32(end[16:])),
	}
	disk, dirDisk, onDisk := le.Uint16(end[4:]), le.Uint16(end[6:]), uint64(le.Uint16(end[8:]))
	next, err := d.zip64(s, endAt)
	if err != nil {
		return zipDirectory{}, err
	}
	if next == endAt && (disk != 0 || dirDisk != 0 || onDisk != d.count) {
		return zipDirectory{}, reject("", "the zip archive is one part of several")
	}
	if d.offset < 0 || d.length < 0 || d.offset > next || d.offset+d.length != next {
		return zipDirectory{}, reject("", "the zip archive's central directory is not where its end says")
	}
	return d, nil
}

// zip64 replaces d's values by those of the zip64 end record, if there is one
// before the end record at endAt. It returns where the central directory must end.
func (d *zipDirectory) zip64(s *source, endAt int64) (int64, error) {
	if endAt < zip64LocatorLen {
		return endAt, nil
	}
	var locator [zip64LocatorLen]byte
	if _, err := s.ReadAt(locator[:], endAt-zip64LocatorLen); err != nil {
		return 0, err
	}
	if string(locator[:4]) != zip64LocatorSig {
		return endAt, nil
	}
	at := int64(le.Uint64(locator[8:]))
	if le.Uint32(locator[4:]) != 0 || le.Uint32(locator[16:]) > 1 || at < 0 || at > endAt-zip64LocatorLen-zip64EndLen {
		return 0, reject("", "the zip archive's 64-bit end is not where its locator says")
	}
	var end [zip64EndLen]byte
	if _, err := s.ReadAt(end[:], at); err != nil {
		return 0, err
	}
	length := le.Uint64(end[4:])
	if string(end[:4]) != zip64EndSig || length != uint64(endAt-zip64LocatorLen-at-12) {
		return 0, reject("", "the zip archive's 64-bit end is not where its locator says")
	}
	wide := zipDirectory{
		count:  le.Uint64(end[32:]),
		length: int64(le.Uint64(end[40:])),
		offset: int64(le.Uint64(end[48:])),
		exact:  true,
	}
	if le.Uint32(end[16:]) != 0 || le.Uint32(end[20:]) != 0 || le.Uint64(end[24:]) != wide.count {
		return 0, reject("", "the zip archive is one part of several")
	}
	if d.count != 1<<16-1 && d.count != wide.count ||
		d.length != 1<<32-1 && d.length != wide.length ||
		d.offset != 1<<32-1 && d.offset != wide.offset {
		return 0, reject("", "the zip archive's two ends disagree")
	}
	*d = wide
	return at, nil
}

// zipRecords reads the records of a central directory one by one, so that the
// memory for its names, which may be gigabytes, is never needed at once.
type zipRecords struct {
	dir      zipDirectory
	r        *bufio.Reader
	left     int64
	count    uint64
	variable []byte
}

func (d zipDirectory) records(s *source) *zipRecords {
	return &zipRecords{dir: d, r: bufio.NewReaderSize(s.section(d.offset, d.length), readBuffer), left: d.length}
}

// next returns the following record, or io.EOF after the last one.
func (z *zipRecords) next() (zipMember, error) {
	if z.left <= 0 {
		if z.count != z.dir.count && (z.dir.exact || uint16(z.count) != uint16(z.dir.count)) {
			// Without the 64-bit end, writers leave the last 16 bits of a larger number.
			return zipMember{}, reject("", "the zip archive's central directory has %d entries, but its end says %d", z.count, z.dir.count)
		}
		return zipMember{}, io.EOF
	}
	var fixed [zipCentralLen]byte
	if _, err := io.ReadFull(z.r, fixed[:]); err != nil {
		return zipMember{}, noEOF(err)
	}
	if string(fixed[:4]) != zipCentralSig {
		return zipMember{}, reject("", "the zip archive's central directory is damaged")
	}
	nameLen, extraLen, commentLen := int(le.Uint16(fixed[28:])), int(le.Uint16(fixed[30:])), int(le.Uint16(fixed[32:]))
	z.variable = slices.Grow(z.variable[:0], nameLen+extraLen)[:nameLen+extraLen]
	if _, err := io.ReadFull(z.r, z.variable); err != nil {
		return zipMember{}, noEOF(err)
	}
	if _, err := z.r.Discard(commentLen); err != nil {
		return zipMember{}, noEOF(err)
	}
	z.left -= int64(zipCentralLen + nameLen + extraLen + commentLen)
	z.count++
	m := zipMember{
		name:     string(z.variable[:nameLen]),
		host:     fixed[5],
		flags:    le.Uint16(fixed[8:]),
		method:   le.Uint16(fixed[10:]),
		modified: dosTime(le.Uint16(fixed[14:]), le.Uint16(fixed[12:])),
		crc:      le.Uint32(fixed[16:]),
		packed:   int64(le.Uint32(fixed[20:])),
		size:     int64(le.Uint32(fixed[24:])),
		attrs:    le.Uint32(fixed[38:]),
		offset:   int64(le.Uint32(fixed[42:])),
	}
	if disk := le.Uint16(fixed[34:]); disk != 0 && disk != 1<<16-1 {
		return zipMember{}, reject(m.name, "the entry lies in another part of the archive")
	}
	return m, m.readExtra(z.variable[nameLen:])
}

// noEOF names an end that comes too early.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readExtra takes 64-bit sizes and better times from the extra field.
func (m *zipMember) readExtra(extra []byte) error {
	for len(extra) >= 4 {
		id, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if n > len(extra)-4 {
			break // some writers leave padding that is no field
		}
		field := extra[4 : 4+n]
		extra = extra[4+n:]
		switch {
		case id == 0x0001:
			if !wide(&field, &m.size) || !wide(&field, &m.packed) || !wide(&field, &m.offset) {
				return reject(m.name, "the entry's 64-bit sizes are damaged")
			}
		case id == 0x5455 && n >= 5 && field[0]&1 != 0: // extended timestamp, UTC
			m.modified = time.Unix(int64(int32(le.Uint32(field[1:]))), 0)
		case id == 0x000a && n >= 32 && le.Uint16(field[4:]) == 1: // NTFS: 100 ns since 1601
			const epoch = 11644473600 // seconds from 1601 to 1970
			ticks := le.Uint64(field[8:])
			m.modified = time.Unix(int64(ticks/1e7)-epoch, int64(ticks%1e7)*100)
		case (id == 0x5855 || id == 0x000d) && n >= 8: // old Unix
			m.modified = time.Unix(int64(int32(le.Uint32(field[4:]))), 0)
		}
	}
	if m.size < 0 || m.packed < 0 || m.offset < 0 {
		return reject(m.name, "the entry has a negative size or place")
	}
	return nil
}

// wide takes the next 8 bytes of a zip64 field for v, if v says that it is there.
func wide(field *[]byte, v *int64) bool {
	if *v != 1<<32-1 {
		return true
	}
	if len(*field) < 8 {
		return false
	}
	*v = int64(le.Uint64(*field))
	*field = (*field)[8:]
	return true
}

// dosTime reads the time that every zip entry has. It is local time of an
// unknown place: taken as UTC, so that extraction is the same everywhere.
func dosTime(date, clock uint16) time.Time {
	if date == 0 {
		return time.Time{}
	}
	return time.Date(int(date>>9)+1980, time.Month(date>>5&15), int(date&31),
		int(clock>>11), int(clock>>5&63), int(clock&31)*2, 0, time.UTC)
}

// zipPlaces returns where the members begin, in order, and last where the
// central directory does. No two members may begin at one place.
func zipPlaces(s *source, d zipDirectory, l Limits) ([]int64, error) {
	var places []int64
	for records := d.records(s); ; {
		m, err := records.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if int64(len(places)) >= l.Inodes {
			return nil, tooLarge("", "inodes", "the archive has more than %d entries", l.Inodes)
		}
		if m.offset >= d.offset {
			return nil, reject(m.name, "the entry lies behind the central directory")
		}
		places = append(places, m.offset)
	}
	slices.Sort(places)
	for i := 1; i < len(places); i++ {
		if places[i] == places[i-1] {
			return nil, reject("", "two entries overlap: both begin at byte %d", places[i])
		}
	}
	return append(places, d.offset), nil
}
