import Foundation
import Testing

@testable import CustodyWire

/// Where fetched files lie.
@Suite struct SpoolTests {
    private static func spool(limit: Int = Spool.usualLimit) -> Spool {
        Spool(
            directory: FileManager.default.temporaryDirectory.appending(path: "custody-spool-\(UUID().uuidString)")
                .path,
            limit: limit)
    }

    @Test func `what was written is read as often as needed, and no name of it is in the directory`() throws {
        let spool = Self.spool()
        defer { try? FileManager.default.removeItem(atPath: spool.directory) }
        let writing = try spool.file(named: "bill.csv")
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0) }
        for start in stride(from: 0, to: bytes.count, by: 7001) {
            try writing.append(Array(bytes[start..<min(start + 7001, bytes.count)]))
        }
        let file = writing.finished()
        #expect(file.name == "bill.csv" && file.size == bytes.count)
        for _ in 0..<2 { #expect(try file.bytes(at: 0, count: file.size) == bytes) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: spool.directory) == [])
        let attributes = try FileManager.default.attributesOfItem(atPath: spool.directory)
        #expect(attributes[.posixPermissions] as? Int == 0o700)
    }

    @Test func `a directory that others could look into is closed to them`() throws {
        let spool = Self.spool()
        defer { try? FileManager.default.removeItem(atPath: spool.directory) }
        try FileManager.default.createDirectory(
            atPath: spool.directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o777])
        _ = try spool.file(named: "f")
        let attributes = try FileManager.default.attributesOfItem(atPath: spool.directory)
        #expect(attributes[.posixPermissions] as? Int == 0o700)
    }

    @Test func `one byte too many is refused, by name`() throws {
        let spool = Self.spool(limit: 10)
        defer { try? FileManager.default.removeItem(atPath: spool.directory) }
        let file = try spool.file(named: "f")
        try file.append([UInt8](repeating: 1, count: 10))
        #expect(throws: SpoolFailure.tooLarge(limit: 10)) { try file.append([1]) }
        #expect(file.size == 10)
    }

    @Test func `a full disk is named`() throws {
        // The system's own full disk: every write to it fails for want of space.
        let number = open("/dev/full", O_WRONLY | O_CLOEXEC)
        #expect(number >= 0)
        let file = SpooledFile(number, name: "f", limit: 100)
        #expect(throws: SpoolFailure.noSpace) { try file.append([1]) }
        #expect(SpoolFailure.noSpace.sentence == "no space is left for fetched files")
    }

    @Test func `a directory that cannot be made is named`() throws {
        #expect(throws: SpoolFailure.self) { try Spool(directory: "/proc/custody-spool").file(named: "f") }
    }
}
