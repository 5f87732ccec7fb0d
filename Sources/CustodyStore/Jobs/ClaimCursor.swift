import CustodyDomain

extension Store {
    /// What a worker remembers of the tenants' lanes in one queue, between its claims.
    ///
    /// Two things. Whose turn is next, so that a batch smaller than the number of lanes still comes round to all of them. And
    /// how far each lane was claimed: finished jobs leave dead index entries behind, which a long-running snapshot keeps from
    /// being cleaned, and a claim that starts after the last one it made does not walk over them. Lanes that are not known yet
    /// are looked for every ``searchInterval``; every ``searchesPerReset`` searches everything is forgotten, which finds what
    /// stands before the marks: jobs that were committed late or come again.
    public struct ClaimCursor: Sendable {
        static let searchInterval = Duration.milliseconds(50)
        static let searchesPerReset = 10
        static let lanesPerClaim = 64

        private var marks: [UUIDv7: UUIDv7] = [:]
        /// The tenant served last.
        private var served = ClaimCursor.first
        private var searchedAt: ContinuousClock.Instant?
        private var searches = 0

        private static let first = UUIDv7(high: 0, low: 0)
        private static let last = UUIDv7(high: .max, low: .max)

        /// Starts at the beginning.
        public init() {}

        /// Where to look for tenants that are not known; nil when it was done a moment ago.
        mutating func gapsToSearch() -> [(low: UUIDv7, high: UUIDv7)]? {
            let now = ContinuousClock.now
            if !marks.isEmpty, let searchedAt, now - searchedAt < ClaimCursor.searchInterval { return nil }
            searches += 1
            if searches % ClaimCursor.searchesPerReset == 0 { marks = [:] }
            searchedAt = now
            let bounds = [ClaimCursor.first] + marks.keys.sorted() + [ClaimCursor.last]
            return Array(zip(bounds, bounds.dropFirst())).map { (low: $0, high: $1) }
        }

        /// Forgets all lanes, to look for all of them.
        mutating func gapsFromTheBeginning() -> [(low: UUIDv7, high: UUIDv7)] {
            marks = [:]
            searchedAt = ContinuousClock.now
            return [(low: ClaimCursor.first, high: ClaimCursor.last)]
        }

        /// Notes tenants that have ready jobs.
        mutating func note(found tenants: [UUIDv7]) {
            for tenant in tenants where marks[tenant] == nil { marks[tenant] = ClaimCursor.first }
        }

        /// The lanes whose turn it is, beginning after the one served last.
        func nextLanes() -> [(tenant: UUIDv7, after: UUIDv7)] {
            let tenants = marks.keys.sorted()
            let turn = tenants.firstIndex { $0 > served } ?? 0
            return (tenants[turn...] + tenants[..<turn]).prefix(ClaimCursor.lanesPerClaim).map {
                (tenant: $0, after: marks[$0] ?? ClaimCursor.first)
            }
        }

        /// Notes what a claim took, and forgets the lanes it found dry.
        mutating func note(claimed jobs: [ClaimedJob], from lanes: [(tenant: UUIDv7, after: UUIDv7)], batch: Int) {
            var counts: [UUIDv7: Int] = [:]
            for job in jobs {
                let tenant = job.tenantID.uuid
                counts[tenant, default: 0] += 1
                marks[tenant] = max(marks[tenant] ?? job.id.uuid, job.id.uuid)
            }
            let reached = jobs.count < batch ? lanes.count - 1 : lanes.lastIndex { counts[$0.tenant] != nil } ?? -1
            guard reached >= 0 else { return }
            served = lanes[reached].tenant
            let share = max(1, batch / lanes.count)
            for (index, lane) in lanes.prefix(reached + 1).enumerated() where counts[lane.tenant, default: 0] < share {
                // The last one may have been cut off by the batch's end.
                if index < reached || jobs.count < batch { marks[lane.tenant] = nil }
            }
        }
    }
}
