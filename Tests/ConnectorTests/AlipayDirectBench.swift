import CustodyConnectors
import CustodyDomain
import CustodyWire
import Testing

/// Sub-merchants and orders of 直付通, as tests make them.
extension AlipayBench {
    /// Opens a sub-merchant, and waits for its review.
    func open(_ number: String, _ direct: AlipayDirect) async throws -> String {
        _ = try await direct.openSubMerchant(AlipayBench.opening(number), serial: "O\(number)").answeredValue()
        try await setClock("2026-10-05T11:05:00+08:00")
        return try #require(try await direct.querySubMerchant(number: number, serial: "Q").answeredValue().subAccount)
    }

    static func opening(_ number: String, _ name: String = "测试商行") -> SubMerchantOpening {
        var dossier = SubMerchantDossier()
        dossier.categoryCode = "A0001_B0199"
        dossier.settlementAccount = account("", "6222000000001234")
        return SubMerchantOpening(
            number: number, kind: .company, name: name, certificateNumber: "91310000MA1K000000",
            legalPersonName: "张三", legalPersonIDNumber: "310101199001010011", contactName: "李四",
            contactMobile: "13800000000", dossier: dossier)
    }

    static func account(_ smid: String, _ number: String) -> AccountBinding {
        AccountBinding(
            subAccount: smid, isCorporate: true, accountNumber: number, accountName: "测试商行", bankName: "中国银行",
            mobile: "13800000000", verification: .none)
    }

    /// An order with one payee, and what others get of it.
    static func collection(
        _ number: String, _ smid: String, _ fen: Int64, others: [String: Int64] = [:], confirms: Bool = false
    ) -> CollectionInstruction {
        let commissions = others.sorted { $0.key < $1.key }.enumerated().map { place, other in
            OrderRegistration.Part(
                number: String(place + 2), account: other.key, amount: Fen(other.value), isCommission: true)
        }
        let own = OrderRegistration.Part(
            number: "1", account: smid, amount: Fen(fen - others.values.reduce(0, +)), isCommission: false)
        return CollectionInstruction(
            order: OrderRegistration(
                number: number, amount: Fen(fen), parts: [own] + commissions, payment: nil,
                confirmBy: confirms ? BusinessDate("2027-11-01") : nil),
            method: .precreate, description: "茶叶", expiresAt: Instant(seconds: 1_900_000_000))
    }

    /// Collects an order, and has the buyer pay it.
    func collect(_ collection: CollectionInstruction, _ direct: AlipayDirect) async throws {
        _ = try await direct.collect(collection, serial: "C").answeredValue()
        try await pay(collection.order.number)
    }

    /// What the control API shows of the merchant.
    func state() async throws -> JSON { try await control("GET", "/control/merchants/\(Self.appID)") }

    /// A file of the custodian's, read.
    func lines(_ kind: CustodianFileKind, _ day: String, _ direct: AlipayDirect) async throws -> [StatementLine] {
        let date = try #require(BusinessDate(day))
        guard let file = try await direct.file(kind, of: date, serial: "F").answeredValue().file else { return [] }
        return try StatementContent(reading: file, from: .alipay).lines
    }
}
