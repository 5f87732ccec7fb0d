import CustodyWire
import Foundation
import Testing

@Suite struct GzipTests {
    private func inflated(_ bytes: [UInt8], _ limits: InflateLimits = .statement) throws -> [UInt8] {
        var output: [UInt8] = []
        try StatementFile(bytes).unpacked(limits: limits) { output.append(contentsOf: $0) }
        return output
    }

    @Test(arguments: [0, 1, 1000, 300_000])
    func `bytes come back`(_ count: Int) throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ ($0 >> 7)) }
        #expect(try inflated(Gzip.compressed(bytes)) == bytes)
    }

    @Test func `what is not compressed is handed over as it is`() throws {
        #expect(try inflated(Array("hello".utf8)) == Array("hello".utf8))
    }

    @Test func `members in a row are one file`() throws {
        let parts = [Array("hello ".utf8), Array("world".utf8)]
        #expect(try inflated(parts.flatMap { Gzip.compressed($0) }) == Array("hello world".utf8))
    }

    @Test func `a bomb is refused by ratio and by size`() throws {
        let zeros = [UInt8](repeating: 0, count: 4 << 20)
        let bomb = Gzip.compressed(zeros)
        #expect(throws: InflateError.tooLarge) { try inflated(bomb) }
        #expect(throws: InflateError.tooLarge) {
            try inflated(bomb, InflateLimits(size: 1 << 20, ratio: 10_000, ratioFloor: 0))
        }
        #expect(try inflated(bomb, InflateLimits(size: 4 << 20, ratio: 10_000, ratioFloor: 0)) == zeros)
    }

    @Test func `a bomb stops where the limit is, not at its end`() throws {
        let bomb = Gzip.compressed([UInt8](repeating: 0, count: 64 << 20))
        var taken = 0
        #expect(throws: InflateError.tooLarge) { try StatementFile(bomb).unpacked { taken += $0.count } }
        #expect(taken <= 200 * bomb.count + (1 << 20))
    }

    @Test func `damage, truncation and a tail are told apart`() throws {
        let packed = Gzip.compressed(Array("一分不差".utf8))
        for length in 2..<packed.count {
            #expect(throws: InflateError.truncated) { try inflated(Array(packed[..<length])) }
        }
        var damaged = packed
        damaged[packed.count - 6] ^= 1
        #expect(throws: InflateError.malformed) { try inflated(damaged) }
        #expect(throws: InflateError.malformed) { try inflated(packed + [1, 2, 3]) }
    }

    @Test func `the checksum is the standard one`() {
        #expect(Deflate.crc32(Array("123456789".utf8)) == 0xCBF4_3926)
    }
}
