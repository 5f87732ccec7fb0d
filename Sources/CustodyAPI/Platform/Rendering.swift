import CustodyDomain
import CustodyStore
import CustodyWire

extension JSON {
    /// An instant as RFC 3339 in UTC, or `null` for none.
    init(_ instant: Instant?) { self.init(instant?.rfc3339) }
    /// An amount as its number of fen.
    init(_ amount: Fen) { self = .number(String(amount.value)) }
    /// Whose a part is: a sub-merchant's id, or `platform`.
    init(payee: ID<SubMerchant>?) { self = .string(payee?.text ?? "platform") }
    /// JSON that the store keeps as text.
    init(stored text: String) { self = (try? JSON(parsing: text)) ?? .null }
}

/// Shows of personal data what lets its owner recognise it, and no more.
enum Mask {
    /// The first character of a name, the rest as asterisks.
    static func name(_ text: String) -> String { String(text.prefix(1)) + "**" }
    /// The last four characters of a number, behind asterisks.
    static func number(_ text: String) -> String { "****" + (text.count > 4 ? text.suffix(4) : "") }
}

extension SubMerchantRecord {
    /// How platforms see it: personal data masked.
    var json: JSON {
        [
            "id": .string(id.text), "out_sub_merchant_no": .string(outSubMerchantNo), "kind": .string(kind.rawValue),
            "display_name": .string(displayName),
            "name": .string(kind == .individual ? Mask.name(details.name) : details.name),
            "certificate_number": .string(Mask.number(details.certificateNumber)),
            "legal_person": [
                "name": .string(Mask.name(details.legalPersonName)),
                "id_number": .string(Mask.number(details.legalPersonIDNumber)),
            ],
            "contact": [
                "name": .string(Mask.name(details.contactName)),
                "mobile": .string(Mask.number(details.contactMobile)),
            ],
            "state": .string(state.rawValue), "objections": JSON(stored: objections), "sign_url": JSON(signURL),
            "sub_account": JSON(subAccount), "created_at": JSON(createdAt),
        ]
    }
}

extension BankAccountRecord {
    /// How platforms see it: personal data masked.
    var json: JSON {
        [
            "id": .string(id.text), "sub_merchant": .string(subMerchantID.text),
            "binding_number": JSON(bindingNumber), "bank_name": .string(bankName),
            "account_number": .string("****" + lastFour), "account_name": .string(Mask.name(details.accountName)),
            "mobile": .string(Mask.number(details.mobile)), "is_corporate": .bool(isCorporate),
            "verification": .string(verification.rawValue), "state": .string(state.rawValue),
            "expires_at": JSON(expiresAt), "tries_left": JSON(triesLeft.map(Int64.init)), "failure": JSON(failure),
            "created_at": JSON(createdAt),
        ]
    }
}

extension OrderRecord {
    /// How platforms see it.
    var json: JSON {
        OrderRecord.json(
            id: id, outOrderNo: outOrderNo, amount: amount, description: description, payer: payer,
            metadata: JSON(stored: metadata), state: state.rawValue, splitMode: splitMode, splitState: splitState,
            bankState: bankState, expiresAt: expiresAt, createdAt: createdAt,
            parts: parts.map { part in
                [
                    "number": JSON(part.number), "payee": JSON(payee: part.subMerchantID), "amount": JSON(part.amount),
                    "held": JSON(part.held), "split": JSON(part.split), "refunded": JSON(part.refunded),
                ]
            })
    }

    /// One shape for stored orders and for one that is about to be.
    static func json(
        id: ID<Order>, outOrderNo: String, amount: Fen, description: String, payer: String?, metadata: JSON,
        state: String, splitMode: String, splitState: String, bankState: String, expiresAt: Instant,
        createdAt: Instant, parts: [JSON]
    ) -> JSON {
        [
            "id": .string(id.text), "out_order_no": .string(outOrderNo), "amount": JSON(amount), "currency": "CNY",
            "description": .string(description), "payer": JSON(payer), "metadata": metadata, "state": .string(state),
            "split_mode": .string(splitMode), "split_state": .string(splitState), "bank_state": .string(bankState),
            "expires_at": JSON(expiresAt), "created_at": JSON(createdAt), "parts": .array(parts),
        ]
    }
}

extension PaymentRecord {
    /// How platforms see it.
    var json: JSON {
        [
            "id": .string(id.text), "order": .string(orderID.text), "channel": .string(channel.rawValue),
            "method": .string(method.rawValue), "amount": JSON(amount), "currency": "CNY",
            "refunded": JSON(refunded), "state": .string(state.rawValue), "payer_id": JSON(payerID),
            "prompt": prompt.map { JSON(stored: $0) } ?? .null, "serial": .string(serial),
            "transaction_number": JSON(transactionNumber), "paid_at": JSON(paidAt),
            "business_date": JSON(businessDate?.iso), "failure": JSON(failure), "created_at": JSON(createdAt),
        ]
    }
}

extension RefundRecord {
    /// How platforms see it.
    var json: JSON {
        [
            "id": .string(id.text), "payment": .string(paymentID.text), "out_refund_no": .string(outRefundNo),
            "amount": JSON(amount), "currency": "CNY", "reason": JSON(reason), "state": .string(state.rawValue),
            "parts": .array(
                parts.map {
                    ["number": JSON($0.number), "payee": JSON(payee: $0.subMerchantID), "amount": JSON($0.amount)]
                }),
            "succeeded_at": JSON(succeededAt), "failure": JSON(failure), "created_at": JSON(createdAt),
        ]
    }
}

extension SplitRecord {
    /// How platforms see it.
    var json: JSON {
        [
            "id": .string(id.text), "order": .string(orderID.text), "out_split_no": .string(outSplitNo),
            "state": .string(state.rawValue), "is_last": .bool(isLast),
            "parts": .array(
                parts.map {
                    ["number": JSON($0.number), "payee": JSON(payee: $0.subMerchantID), "amount": JSON($0.amount)]
                }),
            "failure": JSON(failure), "created_at": JSON(createdAt),
        ]
    }
}

extension WithdrawalRecord {
    /// How platforms see it.
    var json: JSON {
        [
            "id": .string(id.text), "sub_merchant": .string(subMerchantID.text),
            "settlement_account": .string(bankAccountID.text), "out_withdrawal_no": .string(outWithdrawalNo),
            "amount": JSON(amount), "currency": "CNY", "state": .string(state.rawValue),
            "succeeded_at": JSON(succeededAt), "returned_at": JSON(returnedAt), "failure": JSON(failure),
            "created_at": JSON(createdAt),
        ]
    }
}

extension SettlementRunRecord {
    /// How platforms see it.
    var json: JSON {
        [
            "id": .string(id.text), "business_date": .string(businessDate.iso), "released": JSON(released),
            "currency": "CNY", "released_parts": JSON(releasedParts), "withdrawals": JSON(withdrawals),
            "created_at": JSON(createdAt),
        ]
    }
}

extension EventRecord {
    /// How platforms see it.
    var json: JSON {
        [
            "id": .string(id.text), "type": .string(type), "subject": .string(subject), "data": JSON(stored: data),
            "created_at": JSON(createdAt),
        ]
    }
}

extension AccountBalance {
    /// How platforms see it.
    var json: JSON {
        let id = UUIDv7(text: owner).map { ID<SubMerchant>($0).text }
        return [
            "account": .string(kind), "owner": .string(id ?? (owner.isEmpty ? "platform" : owner)),
            "side": .string(isDebitNormal ? "debit" : "credit"), "balance": JSON(balance), "currency": "CNY",
        ]
    }
}
