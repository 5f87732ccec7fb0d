import CustodyDomain
import CustodyWire

/// The platform certificates that have been downloaded, for all merchants of a process; share one.
///
/// They are asked for again every hour, and at once when something is signed with one that is not known, though not
/// more than once a minute: a stranger who writes serial numbers must not make us call WeChat.
public actor WeChatPayCertificates {
    /// How long a list is believed.
    public static let lifetime = Duration.seconds(3600)
    /// How long nothing is asked after a list was asked for.
    public static let patience = Duration.seconds(60)

    /// Whose certificates.
    struct Place: Hashable {
        let baseURL: String
        let mchid: String
    }

    private struct Entry {
        var certificates: [WeChatPayCertificate] = []
        var askedAt: Instant?
        var downloadedAt: Instant?
        var flight: Task<[WeChatPayCertificate]?, Never>?
    }

    private var entries: [Place: Entry] = [:]

    /// Makes an empty store.
    public init() {}

    /// The certificates there are; none before the first download.
    func known(_ place: Place) -> [WeChatPayCertificate] { entries[place]?.certificates ?? [] }

    /// When the list was downloaded; nil before the first download.
    func downloadedAt(_ place: Place) -> Instant? { entries[place]?.downloadedAt }

    /// The certificates, asked for first when it is time to. Those who ask meanwhile wait for the same answer.
    ///
    /// - Parameters:
    ///   - isUrgent: Something is signed with a key that is not among them.
    ///   - download: Gives the list, or nil when it could not be had; then the old one stays.
    func current(
        _ place: Place, now: Instant, isUrgent: Bool,
        download: @escaping @Sendable () async -> [WeChatPayCertificate]?
    ) async -> [WeChatPayCertificate] {
        let entry = entries[place] ?? Entry()
        if let flight = entry.flight {
            _ = await flight.value
            return known(place)
        }
        let isPatient = entry.askedAt.map { now < $0 + Self.patience } ?? false
        let isFresh = entry.downloadedAt.map { now < $0 + Self.lifetime } ?? false
        guard !isPatient, isUrgent || !isFresh else { return entry.certificates }
        let flight = Task { await download() }
        entries[place, default: Entry()].askedAt = now
        entries[place]?.flight = flight
        let list = await flight.value
        entries[place]?.flight = nil
        if let list {
            entries[place]?.certificates = list
            entries[place]?.downloadedAt = now
        }
        return known(place)
    }
}
