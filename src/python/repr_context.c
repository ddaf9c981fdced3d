/* contextvars. Python/context.c. */
#include "python/repr.h"

/* contextvar_tp_repr() */
pst_error *repr_add_context_variable(struct repr *repr, const struct instance *object)
{
    pst_addr value;
    TRY(field_address(repr->python, object->address, F(PyContextVar_var_default), &value));
    text_add_string(repr->text, "<ContextVar name=");
    TRY(repr_add_field(repr, object->address, F(PyContextVar_var_name)));
    if (value) {
        text_add_string(repr->text, " default=");
        TRY(repr_add_object(repr, value));
    }
    repr_add_address(repr, object->address);
    text_add_char(repr->text, '>');
    return NULL;
}

/* token_tp_repr() */
pst_error *repr_add_context_token(struct repr *repr, const struct instance *object)
{
    uint64_t used;
    TRY(field_unsigned(repr->python, object->address, F(PyContextToken_tok_used), &used));
    text_add_string(repr->text, used ? "<Token used var=" : "<Token var=");
    TRY(repr_add_field(repr, object->address, F(PyContextToken_tok_var)));
    repr_add_address(repr, object->address);
    text_add_char(repr->text, '>');
    return NULL;
}

/* Token.MISSING */
pst_error *repr_add_context_missing(struct repr *repr, const struct instance *object)
{
    (void)object;
    text_add_string(repr->text, "<Token.MISSING>");
    return NULL;
}
