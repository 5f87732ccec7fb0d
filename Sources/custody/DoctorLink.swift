import ArgumentParser
import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWire
import CustodyWorkers
import Foundation

/// What a look at a link asks for.
struct LinkOptions: ParsableArguments {
    @OptionGroup var store: StoreOptions

    @Option(help: "The platform's id.") var tenant: TenantID

    @Flag(help: "Answer in JSON, one array.") var json = false
}

struct DoctorBank: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bank", abstract: "Look at a platform's link to its custodian.",
        discussion: "Asks for an instruction, or an order, that was never sent. Moves nothing."
    )

    @OptionGroup var link: LinkOptions

    func run() async throws {
        try await LinkExamination.run(.bank, link) { access, transaction in
            let custodian = try await access.custodian(in: transaction).custodian
            if custodian.capabilities.collector == .custodian {
                return { LinkExamination.Answer(await custodian.queryCollection(number: $0, serial: $0)) }
            }
            return {
                LinkExamination.Answer(
                    await custodian.query(.refund, serial: $0, sentOn: BusinessDate(of: WallClock.now())))
            }
        }
    }
}

struct DoctorWeChat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wechat", abstract: "Look at a platform's link to WeChat Pay.",
        discussion: "Asks for a payment that was never placed. Moves nothing."
    )

    @OptionGroup var link: LinkOptions

    func run() async throws {
        try await LinkExamination.run(.weChatPay, link)
    }
}

struct DoctorAlipay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alipay", abstract: "Look at a platform's link to Alipay.",
        discussion: "Asks for a payment that was never placed. Moves nothing."
    )

    @OptionGroup var link: LinkOptions

    func run() async throws {
        try await LinkExamination.run(.alipay, link)
    }
}

/// A look at one link: name, route, TLS, clocks, signatures both ways, allow-lists.
struct LinkExamination {
    /// What came of a signed question.
    enum Answer: Sendable {
        case answered
        case refused(Refusal)
        case doubtful(Doubt)

        init<Value>(_ reply: CustodyConnectors.Reply<Value>) {
            switch reply {
            case .answered: self = .answered
            case .refused(let refusal): self = .refused(refusal)
            case .unknown(let doubt): self = .doubtful(doubt)
            }
        }
    }

    /// Asks a counterparty about a number, signed.
    typealias Question = @Sendable (_ serial: String) async -> Answer

    private let url: String
    private let host: String
    private let transport: Transport
    private let isSandbox: Bool
    private var findings: [Finding] = []

    /// Looks at a platform's link to a channel and reports.
    static func run(_ kind: ChannelKind, _ options: LinkOptions) async throws {
        try await run(Counterparty(kind), options) { access, transaction in
            let channel = try await access.channel(kind, in: transaction).channel
            return { Answer(await channel.queryPayment(serial: $0)) }
        }
    }

    /// Looks at a platform's link and reports.
    static func run(
        _ counterparty: Counterparty, _ options: LinkOptions,
        question: @escaping @Sendable (Counterparties, TenantTransaction) async throws -> Question
    ) async throws {
        let lines = OutboundLines()
        let findings: [Finding]
        do {
            findings = try await withStore(options.store) { store in
                let (bytes, isSandbox, ask) = try await store.withTenant(options.tenant.id) { transaction in
                    (
                        try await transaction.link(counterparty), transaction.isSandbox,
                        try await question(Counterparties(lines: lines), transaction)
                    )
                }
                var examination = try LinkExamination(link: bytes, isSandbox: isSandbox)
                try await examination.look(asking: ask)
                return examination.findings
            }
        } catch let rejection as Rejection {
            await lines.shutdown()
            throw ValidationError("The link cannot be looked at: \(rejection.code).")
        }
        await lines.shutdown()
        try Doctor.report(findings, asJSON: options.json)
    }

    private init(link: [UInt8], isSandbox: Bool) throws {
        let json = try JSON(parsing: link)
        url = json["base_url"]?.string ?? json["gateway_url"]?.string ?? ""
        host = URL(string: url)?.host ?? ""
        transport = try JSONDecoder().decode(Transport.Holder.self, from: Data(link)).transport
        self.isSandbox = isSandbox
    }

    private mutating func look(asking ask: Question) async throws {
        let sight = try await LinkProbe(transport: transport, clock: WallClock.now).look(at: url, host: host)
        note(name: sight)
        if let failure = sight.failure { return note(failure, sight) }
        note("\(host) answers with HTTP \(sight.status ?? 0)")
        note(tls: sight)
        note(clock: sight)
        note(signature: await ask(LinkExamination.unusedNumber()))
        let isOpen = transport.callbackSources.isEmpty
        note(
            isOpen
                ? "callbacks are taken from any address"
                : "callbacks are taken from \(transport.callbackSources.count) ranges",
            remedy: isOpen && !isSandbox ? "list the counterparty's addresses in transport.callback_sources" : nil)
    }

    private mutating func note(_ text: String, remedy: String? = nil) { findings.append(Finding(text, remedy: remedy)) }

    private mutating func note(name sight: LinkProbe.Sight) {
        let way =
            transport.address != nil ? "fixed" : transport.proxy.map { "through the proxy \($0.host)" } ?? "looked up"
        note(
            sight.addresses.isEmpty
                ? "\(host) has no address (\(way))" : "\(host) is \(sight.addresses.joined(separator: ", ")) (\(way))",
            remedy: sight.addresses.isEmpty ? "look at the name server, or give transport.address" : nil)
    }

    private mutating func note(_ failure: LinkProbe.Failure, _ sight: LinkProbe.Sight) {
        let shown = sight.certificate
        let subject = shown?.subject ?? "without a name"
        switch failure {
        case .noAddress: break  // Said already.
        case .connectionRefused:
            note(
                "nobody listens at \(place)",
                remedy: "compare host and port with what the counterparty gave us; ask it whether its service is up")
        case .closed:
            note(
                "\(host) hangs up before it answers",
                remedy: "ask the counterparty to put our address on its allow-list; look at source_address and proxy")
        case .belowFloor:
            note(
                "it speaks TLS \(sight.tlsVersion ?? "") at most, and at least \(transport.minimumTLS.rawValue) is asked for",
                remedy:
                    "ask the counterparty for a higher version; where 1.2 was agreed, say so in transport.minimum_tls")
        case .certificateEnded:
            note(
                "its certificate, \(subject), ended \(shown.map { -LinkExamination.days(until: $0.end) } ?? 0) days ago",
                remedy: "ask the counterparty for its new certificate: until then nothing is sent")
        case .certificateNotYetGood:
            note(
                "its certificate, \(subject), is not good yet",
                remedy: "synchronise this machine's clock; if it is right, ask the counterparty")
        case .certificateForAnother:
            note(
                "its certificate is for \(shown?.names.joined(separator: ", ") ?? ""), not for \(host)",
                remedy: "let the link name a host of the certificate, and give transport.address where it has no other")
        case .certificateNotBelieved:
            note(
                "its certificate is signed by \(shown?.issuer ?? ""), whom we do not believe",
                remedy: "ask the counterparty for its authority, and put it into transport.ca_pem")
        case .ownCertificateRefused:
            note(
                "it does not accept our certificate, or our having none",
                remedy: "give transport.client_certificate_pem and its key, as signed for the counterparty")
        case .other(let doubt):
            note(
                "no way to \(place): \(doubt.detail)",
                remedy: "ask for the firewall's opening to \(sight.addresses.joined(separator: ", ")), and at the "
                    + "counterparty for our address on its allow-list; look at proxy and source_address")
        }
    }

    /// Host and port.
    private var place: String {
        let parts = URL(string: url)
        return "\(host):\(parts?.port ?? (parts?.scheme == "https" ? 443 : 80))"
    }

    private static func days(until end: Instant) -> Int64 { (end - WallClock.now()).components.seconds / 86_400 }

    private mutating func note(tls sight: LinkProbe.Sight) {
        guard let version = sight.tlsVersion else {
            note(
                "the line is not encrypted", remedy: isSandbox ? nil : "use an https:// address")
            return
        }
        note("TLS \(version), at least \(transport.minimumTLS.rawValue) is asked for")
        if let certificate = sight.certificate {
            let days = LinkExamination.days(until: certificate.end)
            note(
                "its certificate, \(certificate.subject), is good for \(days) more days",
                remedy: days < 30 ? "ask the counterparty for its next certificate, and for its authority" : nil)
        }
    }

    private mutating func note(clock sight: LinkProbe.Sight) {
        guard let offset = sight.clockOffset else { return note("its answers carry no date") }
        let seconds = offset.components.seconds
        note(
            "its clock is \(abs(seconds)) s \(seconds < 0 ? "behind" : "ahead of") ours",
            remedy: abs(seconds) > 60 ? "synchronise this machine's clock; signatures are refused after minutes" : nil)
    }

    private mutating func note(signature answer: Answer) {
        switch answer {
        case .answered: note("signatures are good both ways")
        case .refused(let refusal):
            note(
                "our signed question was refused: \(refusal.code) \(refusal.message)",
                remedy: LinkExamination.remedy(LinkTrouble(code: refusal.code)))
        case .doubtful(let doubt) where doubt.reason == .badSignature:
            note(
                "its signature does not verify: \(doubt.detail)",
                remedy: LinkTrouble(code: doubt.detail) == .clock
                    ? LinkExamination.remedy(.clock)
                    : "give the link the counterparty's present keys, under the serials that it uses")
        case .doubtful(let doubt) where LinkTrouble(code: doubt.detail) != nil:
            // To an instruction's owner a refused question settles nothing; here it says it all.
            note(
                "our signed question was refused: \(doubt.detail)",
                remedy: LinkExamination.remedy(LinkTrouble(code: doubt.detail)))
        case .doubtful(let doubt):
            note(
                "our signed question was not answered: \(doubt.reason.rawValue) \(doubt.detail)",
                remedy: "look at our numbers in the link; try again, then ask the counterparty what it saw")
        }
    }

    private static func remedy(_ trouble: LinkTrouble?) -> String {
        switch trouble {
        case .signature: "give the counterparty our present public key, and the link its serial number there"
        case .numbers: "compare our numbers in the link with the contract"
        case .clock: "synchronise this machine's clock; if it is right, tell the counterparty that its own is off"
        case .address: "ask the counterparty to put our address on its allow-list; look at source_address and proxy"
        case .permission: "ask the counterparty for the permission that its answer names"
        case nil: "look at our numbers and our key's serial there, and at its allow-list of addresses"
        }
    }

    /// A number that no instruction has: ours are drawn by the store.
    private static func unusedNumber() -> String {
        "DOCTOR" + String((0..<20).map { _ in "0123456789".randomElement() ?? "0" })
    }
}
