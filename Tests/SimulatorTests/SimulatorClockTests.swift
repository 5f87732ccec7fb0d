import CustodyDomain
import CustodySimulators
import CustodyWire
import Synchronization
import Testing

@Suite struct SimulatorClockTests {
    private static func instant(_ text: String) throws -> Instant { try #require(Instant(text: text)) }

    @Test func `setting a clock forward runs what falls due in time order and at its own time`() async throws {
        let clock = SimulatorClock()
        let start = try Self.instant("2026-10-05T12:00:00+08:00")
        await clock.set("a", to: start)
        let seen = Mutex<[Duration]>([])
        for offset in [30, 10, 20] {
            clock.schedule("a", at: start + .seconds(offset)) { at in
                seen.withLock { $0.append(clock.now(of: "a") - start) }
                if offset == 10 {
                    clock.schedule("a", at: at + .seconds(5)) { _ in
                        seen.withLock { $0.append(clock.now(of: "a") - start) }
                    }
                }
            }
        }
        clock.schedule("a", at: start + .seconds(7200)) { _ in seen.withLock { $0.append(.zero) } }
        await clock.set("a", to: start + .seconds(3600))
        #expect(seen.withLock { $0 } == [.seconds(10), .seconds(15), .seconds(20), .seconds(30)])
        #expect(clock.now(of: "a") >= start + .seconds(3600))
        #expect(clock.now(of: "a") < start + .seconds(3660))
        #expect(clock.pendingCount(of: "a") == 1)
    }

    @Test func `merchants have clocks of their own`() async throws {
        let clock = SimulatorClock()
        await clock.set("a", to: try Self.instant("2030-01-01T00:00:00Z"))
        #expect(clock.now(of: "b") < (try Self.instant("2029-12-31T00:00:00Z")))
        await clock.set("a", to: try Self.instant("2020-01-01T00:00:00Z"))
        #expect(clock.now(of: "a") < (try Self.instant("2020-01-01T00:01:00Z")))
    }

    @Test func `time that passes by itself runs events too`() async throws {
        let clock = SimulatorClock()
        let runner = Task { await clock.run() }
        await withCheckedContinuation { continuation in
            clock.schedule("a", at: clock.now(of: "a") + .milliseconds(50)) { _ in continuation.resume() }
        }
        runner.cancel()
        await runner.value
        #expect(clock.pendingCount(of: "a") == 0)
    }

    @Test func `a planted fault matches what it names, as often as it says`() throws {
        let rules = FaultRules()
        let json: JSON = [
            "operation": "pay", "fault": "drop", "count": 2, "match": ["merchant": "m", "amount_fen": 5],
        ]
        rules.plant(try #require(FaultRule(json)))
        #expect(rules.take("query", merchant: "m", amount: Fen(5)) == nil)
        #expect(rules.take("pay", merchant: "n", amount: Fen(5)) == nil)
        #expect(rules.take("pay", merchant: "m", amount: Fen(6)) == nil)
        #expect(rules.take("pay", merchant: "m", serial: "x", amount: Fen(5))?.fault == "drop")
        #expect(rules.take("pay", merchant: "m", amount: Fen(5)) != nil)
        #expect(rules.take("pay", merchant: "m", amount: Fen(5)) == nil)
        #expect(FaultRule(["operation": "pay"]) == nil)
    }
}
