import CustodyWire
import Foundation
import Testing

@Suite struct GzipTests {
    @Test(arguments: [0, 1, 1000, 300_000])
    func `bytes come back from either frame`(_ count: Int) throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ ($0 >> 7)) }
        for frame in [Deflate.Frame.raw, .gzip] {
            #expect(try Deflate.inflated(Deflate.compressed(bytes, frame: frame), frame: frame) == bytes)
        }
    }

    @Test func `members in a row are one file`() throws {
        let parts = [Array("hello ".utf8), Array("world".utf8)]
        #expect(try Gzip.decompressed(parts.flatMap { Gzip.compressed($0) }) == Array("hello world".utf8))
    }

    @Test func `a bomb is refused by ratio and by size`() throws {
        let zeros = [UInt8](repeating: 0, count: 4 << 20)
        let bomb = Gzip.compressed(zeros)
        #expect(throws: InflateError.tooLarge) { try Gzip.decompressed(bomb) }
        #expect(throws: InflateError.tooLarge) {
            try Gzip.decompressed(bomb, limits: InflateLimits(size: 1 << 20, ratio: 10_000, ratioFloor: 0))
        }
        #expect(
            try Gzip.decompressed(bomb, limits: InflateLimits(size: 4 << 20, ratio: 10_000, ratioFloor: 0)) == zeros)
    }

    @Test func `damage, truncation and a tail are told apart`() throws {
        let packed = Gzip.compressed(Array("一分不差".utf8))
        #expect(throws: InflateError.truncated) { try Gzip.decompressed(Array(packed.dropLast(3))) }
        #expect(throws: InflateError.truncated) { try Gzip.decompressed([]) }
        var damaged = packed
        damaged[packed.count - 6] ^= 1
        #expect(throws: InflateError.malformed) { try Gzip.decompressed(damaged) }
        #expect(throws: InflateError.malformed) { try Gzip.decompressed(packed + [1, 2, 3]) }
        let raw = Deflate.compressed([1, 2, 3], frame: .raw)
        #expect(throws: InflateError.trailingBytes) { try Deflate.inflated(raw + [0], frame: .raw) }
    }

    @Test func `the checksum is the standard one`() {
        #expect(Deflate.crc32(Array("123456789".utf8)) == 0xCBF4_3926)
    }
}
