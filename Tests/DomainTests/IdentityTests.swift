import CustodyDomain
import Foundation
import Testing

/// Ids: their bits, their texts, and their order.
@Suite struct IdentityTests {
    @Test func `ids made later sort later, as numbers, as bytes and as text`() {
        var generator = SeededGenerator(seed: 8)
        var last: ID<Order>?
        var now = Instant(text: "2026-10-05T00:00:00Z") ?? Instant(seconds: 0)
        for _ in 0..<5_000 {
            now = now + .milliseconds(Int64.random(in: 1...100_000, using: &generator))
            let id = ID<Order>(UUIDv7(at: now, using: &generator))
            if let last {
                #expect(last < id && last.text < id.text && last.uuid.text < id.uuid.text)
                #expect(last.uuid.bytes.lexicographicallyPrecedes(id.uuid.bytes))
            }
            last = id
            // Version and variant, as RFC 9562 says, and the milliseconds in front.
            #expect(id.uuid.bytes[6] >> 4 == 7 && id.uuid.bytes[8] >> 6 == 2)
            #expect(id.uuid.high >> 16 == UInt64(now.microseconds / 1000))
        }
    }

    @Test func `ids of one millisecond differ`() {
        let now = Instant(seconds: 1_790_000_000)
        #expect(Set((0..<10_000).map { _ in UUIDv7(at: now) }).count == 10_000)
    }

    @Test func `every text of an id is read back, in any case, and by Foundation alike`() throws {
        var generator = SeededGenerator(seed: 9)
        for _ in 0..<5_000 {
            let uuid = UUIDv7(
                high: UInt64.random(in: 0...UInt64.max, using: &generator),
                low: UInt64.random(in: 0...UInt64.max, using: &generator))
            let id = ID<Payment>(uuid)
            #expect(ID<Payment>(id.text) == id && ID<Payment>(id.text.lowercased()) == id)
            #expect(ID<Refund>(id.text) == nil)
            #expect(id.text.utf8.count == 30)
            #expect(UUIDv7(text: uuid.text) == uuid && UUIDv7(text: uuid.text.uppercased()) == uuid)
            #expect(UUID(uuidString: uuid.text)?.uuidString.lowercased() == uuid.text)
            #expect(UUIDv7(bytes: uuid.bytes) == uuid)
        }
    }

    @Test(arguments: [
        "", "pay_", "pay_0000000000000000000000000", "pay_000000000000000000000000000",
        "pay_80000000000000000000000000",
        "pay_0000000000000000000000000I", "pay_0000000000000000000000000U", "pay-00000000000000000000000000",
        "PAY_00000000000000000000000000", "pay_0000000000000000000000000é",
    ])
    func `a text that is no id is none`(text: String) { #expect(ID<Payment>(text) == nil) }

    @Test(arguments: [
        "", "0199b2c4-0000-7000-8000-00000000000", "0199b2c4-0000-7000-8000-0000000000000",
        "0199b2c4x0000-7000-8000-000000000000", "0199b2c40000-7000-8000-0000-00000000",
        "g199b2c4-0000-7000-8000-000000000000",
    ])
    func `a text that is no UUID is none`(text: String) {
        #expect(UUIDv7(text: text) == nil)
        #expect(UUIDv7(bytes: [UInt8](repeating: 0, count: 15)) == nil)
    }

    @Test func `no two kinds of things share the beginning of their ids`() throws {
        let prefixes = try Document.read("Sources/CustodyDomain/Identity/Entities.swift")
            .matches(of: #/idPrefix = "([a-z]+)"/#).map { String($0.1) }
        #expect(prefixes.count > 15 && Set(prefixes).count == prefixes.count)
        #expect(prefixes.allSatisfy { $0.count == 3 })
    }
}
