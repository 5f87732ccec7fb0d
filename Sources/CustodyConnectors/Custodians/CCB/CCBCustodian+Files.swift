import CustodyDomain
import CustodyWire

/// Daily packages.
extension CCBCustodian {
    /// The file of a kind in a day's package, if the package is there.
    public func listFiles(
        _ kind: CustodianFileKind, of date: BusinessDate, serial: String
    ) async -> Reply<CustodianFiles> {
        await file(kind, of: date, serial: serial).reading { answer throws(Doubt) in
            switch answer {
            case .file(let name, let bytes): .files([CustodianFile(name: name, size: bytes.count, digest: nil)])
            case .empty: .empty
            case .notReady: .notReady
            }
        }
    }

    /// A file of a day's package, taken only when all three are there and agree with each other.
    public func file(_ kind: CustodianFileKind, of date: BusinessDate, serial: String) async -> Reply<BillAnswer> {
        guard let folder = codec.link.filesURL, let wanted = CCBPackage.Part(kind) else {
            return unsupported(.fetchFile)
        }
        let market = codec.link.marketID
        var files: [CCBPackage.Part: StatementFile] = [:]
        var found: [UInt8] = []
        do throws(Doubt) {
            for part in CCBPackage.Part.allCases {
                let name = CCBPackage.fileName(part, market: market, date: date)
                guard
                    let bytes = try await codec.download(
                        "\(folder)/\(CCBPackage.name(market: market, date: date))/\(name)")
                else { return .answered(.notReady) }
                files[part] = StatementFile(bytes, name: name)
                if part == wanted { found = bytes }
            }
        } catch {
            return .unknown(error)
        }
        guard let payments = files[.payments], let splits = files[.splits], let sums = files[.splitSums] else {
            return .answered(.notReady)
        }
        do throws(StatementDefect) {
            let package = try CCBPackage(payments: payments, splits: splits, splitSums: sums)
            let summary = package.statement(wanted).summary
            guard summary.lineCount > 0 else { return .answered(.empty) }
            guard summary.date == date, summary.account == market else {
                throw StatementDefect("is of another market or day", file: files[wanted]?.name)
            }
        } catch {
            return .unknown(Doubt(.malformedAnswer, error.sentence))
        }
        return .answered(.file(name: CCBPackage.fileName(wanted, market: market, date: date), bytes: found))
    }
}

extension CCBPackage.Part {
    /// The file of a kind; nil for kinds that the bank does not have.
    fileprivate init?(_ kind: CustodianFileKind) {
        switch kind {
        case .collections: self = .payments
        case .splits: self = .splits
        case .splitSums: self = .splitSums
        case .receipts, .refunds, .withdrawals, .returns, .balances: return nil
        }
    }
}

extension CCBPackage {
    /// What one of its files says.
    fileprivate func statement(_ part: Part) -> VerifiedStatement {
        switch part {
        case .payments: payments
        case .splits: splits
        case .splitSums: splitSums
        }
    }
}
