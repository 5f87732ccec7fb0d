import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

@Suite("Certificates that a counterparty signs with, as downloaded")
struct PlatformCertificateTests {
    private static let hour = Duration.seconds(3600)

    private func certificate(_ serial: String, _ validity: Range<Instant>, pem: String = "PEM") -> PlatformCertificate {
        PlatformCertificate(serial: serial, pem: pem, validity: validity)
    }

    /// A sandbox whose clock runs a year ahead, and real time.
    private func worldAhead() async throws -> (world: World, realNow: Instant) {
        let world = try await TestStore.make().world()
        let real = try await world.store.withSystem { $0.now }
        try await world.run { try await $0.setClock(to: real + .seconds(365 * 86_400)) }
        return (world, real)
    }

    /// Plans the next download in an hour of real time, as a worker does.
    private func plan(_ world: World) async throws {
        try await world.run { tx in
            try await tx.enqueue(JobRequest(.refreshCertificates, tx.tenantID.text), at: tx.now + .seconds(3600))
        }
    }

    @Test func `the newest list counts until its certificates expire in real time`() async throws {
        let (world, now) = try await worldAhead()
        let (old, new, next, expired) = (
            certificate("OLD", now - .seconds(9000)..<now + .seconds(900)),
            certificate("NEW", now - .seconds(900)..<now + .seconds(9000)),
            certificate("NEXT", now + .seconds(900)..<now + .seconds(90_000)),
            certificate("EXPIRED", now - .seconds(9000)..<now - .seconds(1))
        )
        func known() async throws -> [PlatformCertificate] {
            try await world.run { try await $0.platformCertificates(of: .weChatPay) }
        }
        #expect(try await known() == [])
        try await world.run { try await $0.note([old, expired], of: .weChatPay) }
        // The test clock is a year past the end of all of them.
        #expect(try await known() == [old])
        try await world.run { try await $0.note([next, new, old, new], of: .weChatPay) }
        #expect(try await known() == [old, new, next])
        // What is withdrawn counts no more; what is noted again is as it was given last.
        let changed = certificate("NEXT", next.validity, pem: "OTHER")
        try await world.run { try await $0.note([new, changed], of: .weChatPay) }
        #expect(try await known() == [new, changed])
        #expect(try await world.run { try await $0.platformCertificates(of: .alipay) } == [])
        let other = try await TestStore.make().world()
        #expect(try await other.run { try await $0.platformCertificates(of: .weChatPay) } == [])
    }

    @Test func `the download is started once, and again at once when it waits`() async throws {
        let world = try await TestStore.make().world()
        for _ in 0..<2 { try await world.run { try await $0.startRefreshing() } }
        #expect(try await world.jobCount(.refreshCertificates) == 1)
        #expect(try await world.dueTimes(.refreshCertificates).isEmpty)

        let waiting = try await TestStore.make().world()
        try await plan(waiting)
        try await waiting.run { try await $0.startRefreshing() }
        #expect(try await waiting.jobCount(.refreshCertificates) == 1)
        #expect(try await waiting.dueTimes(.refreshCertificates).isEmpty)
    }

    @Test func `the download keeps to real time when a test clock is set forward`() async throws {
        let (world, real) = try await worldAhead()
        try await plan(world)
        try await world.run { try await $0.enqueue(JobRequest(.openDay, "2030-01-01"), at: $0.now + .seconds(3600)) }
        try await world.run { try await $0.setClock(to: $0.now + .seconds(86_400)) }
        let due = try #require(try await world.dueTimes(.refreshCertificates).first)
        #expect(due.dueAt >= real + .seconds(3600) && due.dueAt < real + .seconds(3700))
        #expect(due.runAt - due.dueAt > .seconds(365 * 86_400 + 43_200))
        // Everything else follows the test clock.
        #expect(try #require(try await world.dueTimes(.openDay).first).dueAt < real)
    }

    @Test func `a download is brought forward once a minute, and only where one is planned`() async throws {
        let (world, real) = try await worldAhead()
        func hasten() async throws -> Bool { try await world.run { try await $0.hastenRefreshing() } }
        func due() async throws -> Instant {
            try #require(try await world.dueTimes(.refreshCertificates).first).dueAt
        }
        #expect(try await !hasten())
        #expect(try await world.jobCount(.refreshCertificates) == 0)

        // A list that is a moment old: not before a minute has passed.
        try await world.run { try await $0.note([certificate("A", real..<real + .seconds(9000))], of: .weChatPay) }
        try await plan(world)
        #expect(try await hasten())
        let soon = try await due()
        #expect(soon > real + .seconds(55) && soon < real + .seconds(100))
        #expect(try await !hasten())
        #expect(try await due() == soon)

        // An old list: at once, and then not again.
        try await world.loseJobs(.refreshCertificates)
        try await world.ageCertificates(by: .seconds(600))
        try await plan(world)
        #expect(try await hasten())
        #expect(try await due() < real + .seconds(50))
        #expect(try await !hasten())
    }
}
