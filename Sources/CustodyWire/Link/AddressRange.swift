import Glibc

/// A range of IP addresses (CIDR), such as `101.226.103.0/25` or one address alone.
public struct AddressRange: Hashable, Sendable {
    /// The range's first address: 4 bytes or 16.
    private let network: [UInt8]
    /// How many leading bits an address shares with it.
    private let prefix: Int

    /// Reads a range; an address without a prefix is that one address.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let bytes = AddressRange.bytes(of: parts[0]) else { return nil }
        let prefix = parts.count == 2 ? Int(parts[1]) : bytes.count * 8
        guard let prefix, (0...(bytes.count * 8)).contains(prefix),
            parts.count == 1 || parts[1].allSatisfy({ $0.isASCII && $0.isNumber })
        else { return nil }
        self.prefix = prefix
        network = AddressRange.masked(bytes, to: prefix)
    }

    /// Whether an address lies in the range. An IPv4 address written as IPv6 (`::ffff:1.2.3.4`) counts as IPv4.
    public func contains(_ address: some StringProtocol) -> Bool {
        guard let bytes = AddressRange.bytes(of: address), bytes.count == network.count else { return false }
        return AddressRange.masked(bytes, to: prefix) == network
    }

    private static func masked(_ bytes: [UInt8], to prefix: Int) -> [UInt8] {
        bytes.enumerated().map { index, byte in
            let kept = min(8, max(0, prefix - index * 8))
            return kept == 0 ? 0 : byte & (UInt8.max << (8 - kept))
        }
    }

    /// An address's bytes in the network's order.
    private static func bytes(of address: some StringProtocol) -> [UInt8]? {
        let text = String(address)
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: &four) { Array($0) } }
        var sixteen = in6_addr()
        guard inet_pton(AF_INET6, text, &sixteen) == 1 else { return nil }
        let bytes = withUnsafeBytes(of: &sixteen) { Array($0) }
        let mapped = [UInt8](repeating: 0, count: 10) + [255, 255]
        return bytes.starts(with: mapped) ? Array(bytes.dropFirst(12)) : bytes
    }
}
