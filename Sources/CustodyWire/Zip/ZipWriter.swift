import CustodyDomain

extension ZipArchive {
    /// Writes an archive: entries deflated, names in GB18030 without the UTF-8 flag, as Alipay's bills are.
    ///
    /// - Parameter modifiedAt: Written on a Shanghai wall clock, to two seconds.
    public static func bytes(
        of entries: [(name: String, content: [UInt8])], modifiedAt: Instant
    ) throws(GB18030.Defect) -> [UInt8] {
        var output: [UInt8] = []
        var directory: [UInt8] = []
        let stamp = dosTime(modifiedAt)
        for entry in entries {
            let name = try GB18030.encode(entry.name)
            let data = Deflate.compressed(entry.content, frame: .raw)
            var common: [UInt8] = []
            common += little(20, 2) + little(0, 2) + little(8, 2) + little(stamp.time, 2) + little(stamp.date, 2)
            common += little(Int(Deflate.crc32(entry.content)), 4)
            common += little(data.count, 4) + little(entry.content.count, 4) + little(name.count, 2) + little(0, 2)
            directory += little(0x0201_4B50, 4) + little(20, 2) + common
            directory += little(0, 2) + little(0, 2) + little(0, 2) + little(0, 4) + little(output.count, 4) + name
            output += little(0x0403_4B50, 4) + common + name + data
        }
        let offset = output.count
        output += directory
        output += little(0x0605_4B50, 4) + little(0, 2) + little(0, 2)
        output += little(entries.count, 2) + little(entries.count, 2)
        return output + little(directory.count, 4) + little(offset, 4) + little(0, 2)
    }

    private static func little(_ number: Int, _ width: Int) -> [UInt8] {
        (0..<width).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
    }

    private static func dosTime(_ instant: Instant) -> (date: Int, time: Int) {
        let day = BusinessDate(of: instant)
        let (year, month, date) = day.components
        let seconds = Int(instant.seconds - day.start.seconds)
        return (
            max(0, year - 1980) << 9 | month << 5 | date,
            seconds / 3600 << 11 | seconds / 60 % 60 << 5 | seconds % 60 / 2
        )
    }
}
