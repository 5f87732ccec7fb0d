import CustodyWire
import HTTPTypes

/// Where a request comes from: the connection's other end, or what a proxy of ours says stood before it.
enum ClientAddress {
    /// The address; empty when the connection has none.
    ///
    /// `X-Forwarded-For` counts only where the connection comes from one of our own proxies, and then from its end: each
    /// proxy of ours adds whom it saw, so the last that is not ours is the first that we cannot be told lies about.
    static func of(peer: String, headers: HTTPFields, trusting proxies: [AddressRange]) -> String {
        var address = peer
        let hops = headers[values: .forwardedFor].flatMap { $0.split(separator: ",") }
            .map { withoutPort($0.trimmed) }
        for hop in hops.reversed() {
            guard proxies.contains(where: { $0.contains(address) }) else { return address }
            address = hop
        }
        return address
    }

    /// `1.2.3.4:567` and `[2001:db8::1]:567` as some proxies write them.
    private static func withoutPort(_ hop: String) -> String {
        if hop.hasPrefix("["), let end = hop.firstIndex(of: "]") {
            return String(hop[hop.index(after: hop.startIndex)..<end])
        }
        let parts = hop.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 ? String(parts[0]) : hop
    }
}

extension Substring {
    fileprivate var trimmed: String {
        String(drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
